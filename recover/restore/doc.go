// Package restore gives rows of a case back to a live database, loads those of source
// files, and owns the only code that writes rows into one.
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
//   - Loading: rows from elsewhere than a case, such as a source file, on their direct way
//     into the target. They are staged, matched with what is there, and put in.
//   - Refusal: why a row of a load does not go in: a value, a constraint, a row that came first,
//     a parent that is missing.
//   - Shape: a table of the target for those who make such rows.
package restore
