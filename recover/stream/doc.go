// Package stream takes WAL from a live server through the replication protocol,
// with nothing but a role that may replicate.
//
//   - Server: one replication connection. It runs no query and reads no table, so
//     nothing on the hurt server is pruned by it.
//   - Identity: which server that is, for people to look at before anything is done.
//   - path: the timelines that lead to the server's own, each with its stretch of the log.
//   - probe: asking the server for a segment to learn whether it still keeps it.
//   - leg: one START_REPLICATION: a stretch of one timeline, fetched in one go.
//   - folder: where the segment files go; a segment is whole, or .partial.
//   - lock: only one fetch writes into a folder at a time.
//   - stay: following a server that goes away and comes back, with a new connection.
//   - pin: a replication slot held at the oldest segment, so that the server does
//     not recycle what is still to come. It is temporary unless it was asked for.
//
// What is in the folder under a segment's own name is whole and on disk. The
// package is the only user of pglogrepl.
package stream
