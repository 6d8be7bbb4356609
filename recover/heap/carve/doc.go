// Package carve finds tables in bytes that no catalog speaks of: relation files
// whose catalog is gone, and raw images of a disk or a volume.
//
//   - source: a file to look through, read once from its begin to its end.
//   - page: 8 KiB that look like a page of PostgreSQL, at any multiple of a step.
//   - shape: what the tuples of a page say of their table: how many attributes, of
//     fixed or variable width. Pages of one shape and file are a group.
//   - fit: a relation of a catalog whose attributes end exactly where the tuples do,
//     and whose types the values can be.
//   - copy: a page that was met before, to the byte.
//   - chunk: a piece of a value out of line, found by its looks as well.
//
// The bytes of a row that is found so are the database's own. That the row belongs
// to a certain table is not known, and no row claims it, unless the file's name says so.
package carve
