// Package live talks SQL to a running server: the target of a restore, or the
// source of evidence that only a server can give.
//
//   - Endpoint: where a connection goes, user@host:port; it makes the errors about it,
//     without a password in them.
//   - Conn: one session of one database. Its mode is Read, where every transaction is
//     read-only unless it says otherwise, or Write.
//   - Settings: what makes the session print values as COPY in a case does: ISO dates,
//     UTC, bytea in hex, floats in full.
//   - Card: the identity card of a server, shown before anything is written.
//   - Sentinel: the kind of an error (ErrDenied, ErrLost, …), by which a command
//     chooses its exit code.
//
// Nothing here knows a table. No statement of this package reads one of the user's.
package live
