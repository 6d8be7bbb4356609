// Package containers asks a Docker engine, or Podman in its place, what a responder needs to
// know of it, over its socket on this machine and with GET only.
//
//   - Engine: the engine at a socket. What it is asked changes nothing.
//   - Container: one of its containers, running or not, with its mounts and how its log is kept.
//   - Mount: what a container sees at a path: a volume, or a folder of this machine.
//   - Volume: a volume, used or forgotten; a forgotten one may hold the lost cluster.
//   - Log: what a container printed. It goes with the container.
//
// Of a container's environment only PGDATA is kept: the rest is full of passwords.
package containers
