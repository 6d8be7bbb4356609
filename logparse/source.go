package logparse

// Source is a log: a file, rotated files that continue each other, or standard input.
type Source struct {
	Name    string   // for people
	Paths   []string // in the order of time; none: standard input
	Wrapper string   // of the lines; "": none
	Format  string   // of the entries, as it is shown
	Size    int64    // bytes on disk, all files together; -1: not known
}
