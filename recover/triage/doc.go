// Package triage tells what happened to a database and which ways back are open, in
// seconds and by looking only.
//
//   - Facts: what the evidence at hand says, and where each fact is from.
//   - Statement: what a log tells of one statement; its Fate says how far it came.
//   - Transaction: what the WAL tells of one transaction, by the names of tables.
//   - Habit: what transactions usually do to a table. What they always do is no loss.
//   - Loss: what one transaction took, as far as it stands out from what is usual.
//   - Hypothesis: what may have happened, with the evidence for and against. Its standing is
//     a word and never a percentage, and where nothing was lost none is named.
//   - Question: rows, table or files? Each asks for another first move.
//   - Route: a way back: whether it covers the loss, and until when it is open.
//   - Join: statements of logs joined with the transactions of the WAL.
//
// No user table is read, neither through SQL nor in its files: reading one through SQL
// prunes the dead rows that a rescue needs.
package triage
