// Package wal reads the write-ahead log from files.
//
//   - segment: one file of the log, 16 MiB unless initdb said otherwise.
//   - page: 8192 bytes with a header of 24 bytes, 40 on a segment's first page.
//   - record: a change, 24 bytes of header and then block references, images, data
//     and main data (access/xlogrecord.h). Records cross pages and segments.
//   - block reference: the relation, fork and block that a record changes.
//   - full-page image: a copy of a whole page in a record, its hole left out,
//     perhaps compressed.
//   - resource manager: the part of PostgreSQL that a record belongs to (heap, btree, …).
//   - Archive: the segments of one timeline's path, in LSN order, with the gaps between them.
//   - span: a stretch of the log that one worker scans; spans are scanned in
//     parallel and merged in LSN order.
//   - layout: what differs between versions, found by the page magic.
//
// Damage costs the record or the segment that it is in; the scan goes on behind
// it and reports an evidence.Gap.
package wal
