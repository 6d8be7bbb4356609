// Package redo replays heap records of the WAL onto pages in memory, as crash
// recovery would on disk, but only for the pages that somebody asked for, and
// without a server.
//
//   - base: what a page is first taken from: a full-page image in the WAL, a record
//     that initialises it, or the relation file.
//   - apply: make one record's change on a page (heap_redo and heap2_redo in heapam.c).
//   - known page: a page with a base and every record since; an unknown page had a
//     record that could not be applied, because its base is older than the WAL at hand
//     or a stretch of the WAL is missing.
//   - store: the known pages; beyond its budget they go to a temporary file.
//
// Pages may be damaged: every offset is checked, a record that does not fit its
// page makes that page unknown and nothing more.
package redo
