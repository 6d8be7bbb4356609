// Package undelete settles a loss: it lists every tuple version that a
// transaction destroyed, brings each one back by the best route there is, and
// says of the others why they are missing.
//
//   - ledger: the destroyed versions, one line each, named by the WAL's delete and
//     update records, or by a dead tuple where the WAL does not reach.
//   - settled: the version's bytes were found, by the heap route (the dead tuple in
//     the relation file) or by the wal route (its page, replayed in memory).
//   - in part: found, but some values are unknown, for example a TOAST chunk that is gone.
//   - missing: not found, with the reason.
//   - balance: lost = heap + wal + in part + missing, for each table, to the row.
//
// A version is settled only when the tuple lies at the TID that the ledger names
// and carries the xmax of the transaction that the ledger names.
package undelete
