// Package archives finds the files of a write-ahead log in the places where
// archivers keep them, and opens them, whatever wraps them.
//
//   - log file: a segment, or the history file of a timeline.
//   - layout: how an archiver names and places its files: pgBackRest, WAL-G, Barman,
//     or a plain directory.
//   - wrapping: what lies around the bytes of a log file: a compression, a tar file, both.
//   - mark: the first bytes by which a compression or an encryption is known. Barman
//     compresses without changing the name, so a suffix proves nothing.
//   - spool: a temporary file without a name that holds what cannot be read again at
//     any place cheaply: segments out of a compressed tar file, and big segments.
//   - rank: which cluster of a pgBackRest repository a file is of; the highest is the newest.
//
// A compressed segment is decompressed as far as it is read, never beyond the size
// that a segment can have. What decompressed before a damage is used.
package archives
