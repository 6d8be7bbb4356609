// Package rediskeys lists what a Redis server keeps, for applications put rows there before, or beside, their database.
//
//   - Server: one database of a Redis server. What it is asked changes nothing.
//   - Key: one of its keys, with its type, how long it stays, and about how many bytes it takes.
//   - TTL: how long until Redis removes a key by itself. Rows that only Redis has are gone then.
//   - Dump: a key's value as DUMP serialises it, whatever its type is; RESTORE puts it back, and it ends with a checksum.
package rediskeys
