// Package backups finds backups by what is in them, whatever they are called.
//
//   - Backup: something that holds rows as they were at another time.
//   - dump: rows that pg_dump or pg_dumpall wrote, as an archive (custom, directory, tar)
//     or as SQL. It holds tables as they were when it began.
//   - base backup: the files of a whole cluster. With WAL it becomes any later moment.
//   - repository: where pgBackRest, Barman or WAL-G keep base backups and WAL.
//   - Precedes: whether a backup is older than a loss, so that it holds what was lost.
//
// Only heads are read: of an archive its table of contents, of SQL a bounded stretch.
package backups
