// Package triage tells what happened to a database and which ways back are open, in
// seconds and by looking only.
//
//   - Facts: what the evidence at hand says, and where each fact is from.
//   - Statement: what a log tells of one statement; its Fate says how far it came.
//   - Transaction: what the WAL tells of one transaction, by the names of tables.
//   - Join: statements of logs joined with the transactions of the WAL.
//
// No user table is read, neither through SQL nor in its files: reading one through SQL
// prunes the dead rows that a rescue needs.
package triage
