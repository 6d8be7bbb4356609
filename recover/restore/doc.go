// Package restore gives rows of a case back to a live database, and owns the only
// code that writes rows into one.
//
//   - Target: the database that rows go to, as it is described by its catalogs.
//   - Candidate: a version of a row in the case; all of one key make one decision.
//   - Plan: what is to be done with each key, made by reading only. plan.json is its
//     head, with a hash; the decisions themselves are rows of the case.
//   - Action: what a plan does with a key: insert, overwrite, fill, or leave it and say why.
//   - Conflict: the target has the key with other values. A person chooses.
//   - Fingerprint: a hash of a table's definition; a plan is stale when it is another.
//   - Component: tables that refer to each other in a circle; one of its own otherwise.
//   - apply, verify, undo: do it, compare it, take it back.
package restore
