// Package preserve keeps the evidence of a loss: it stops what destroys it, and copies it
// into the case in the order in which it would go away.
//
//   - freeze: autovacuum off for the hurt tables and their TOAST tables, or for the whole
//     server where nobody knows the tables; and a slot that holds the WAL, with a guard.
//   - memory: what was set before, written and synced before it is changed, in a file of the
//     case that only grows. Thaw puts back exactly that.
//   - place: where files come from: a folder, or a server that reads its own files over SQL.
//   - capture: the copies, in the case's folder evidence. What lies there is never
//     written over: an older copy is the better evidence, because pages only lose rows.
//   - missing: what could not be had, and why. It never ends the work.
//
// Nothing here reads a table of a user: pages are copied as files, which prunes none. Only
// Freeze and Thaw write, and only options of tables, settings and a slot.
package preserve
