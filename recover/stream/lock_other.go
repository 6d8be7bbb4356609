//go:build !unix

package stream

// lock does nothing where the system has no flock.
func (f *folder) lock() (release func(), err error) { return func() {}, nil }
