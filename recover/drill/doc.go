// Package drill rehearses a runbook: it makes an incident on a throwaway cluster, runs the
// book against it with nobody at the terminal, and scores what came of it.
//
//   - Incident: something that happens to a shop under traffic, with how a good run ends:
//     the rows are back, there is nothing to have, they are elsewhere, or nothing was lost.
//   - truth: what COPY gave of the hurt tables just before and just after the loss, in the
//     transaction that made it. It lies outside of the cluster.
//   - newcomer: a row that traffic brought. It must be there in the end as it came.
//   - Score: rows back of rows lost, the time of each step, the lies, and whether triage
//     named the right transactions and the right hypothesis.
//   - Lie: a step said something that is not so: done or verified, and the rows are not
//     back, or are others; "Changes: nothing", and something changed.
//
// A drill reads no table of the shop while the book runs: reading prunes dead rows, which
// the book may need. What a step changed in tables is read from the WAL instead, where
// each transaction that is not of the traffic is the book's.
//
// How anyone's book is drilled: blocks see PGDATA, PGHOST, PGPORT, PGUSER, PGDATABASE,
// PGRESCUE_CASE, a new folder, and TABLES, what people miss rows of. Triage is scored by
// the outputs HURT, HYPOTHESIS, XID and XIDS that blocks write to $OUT.
package drill
