// Package heap decodes the pages of tables.
//
//   - Page: 8192 bytes with a header, line pointers that grow from the front and
//     tuples that grow from the back (storage/bufpage.h).
//   - LinePointer: where on the page a tuple lies: unused, normal, redirect or dead
//     (storage/itemid.h).
//   - Tuple: header and data of one row version on disk (access/htup_details.h). A
//     tuple becomes a row only when package datum decodes it.
//   - Attr: what is needed to find one attribute in a tuple; Deform finds them all.
//   - TOAST: values too large for a page, compressed or cut into chunks
//     (access/detoast.h, varatt macros of postgres.h).
//   - visibility: whether the transactions in a tuple's header committed, from
//     pg_xact and from the WAL's commit records, never from hint bits alone.
//
// Nothing here panics on damaged bytes: a page that cannot be read is an error,
// a tuple that cannot be read is an error of that tuple alone.
package heap
