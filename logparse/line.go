package logparse

import "iter"

// Marks say what a reader of a line or entry must know.
type Marks uint8

// The marks.
const (
	Cut      Marks = 1 << iota // it is longer than MaxLine, and its end is not there
	Unended                    // the log ends within it, without a newline
	NotUTF8                    // some bytes are not UTF-8, and are kept as they are: likely Windows-1252
	Altered                    // colours were taken off, or characters that pasting had put in: see Plain
	Replaced                   // the transport put U+FFFD in place of bytes that it could not carry, or #011 for a tab
	Torn                       // garbage stood before it or behind it, so that it may lack a part
	Bare                       // the other lines of the source have a wrapper that this one lacks
)

// Partial reports whether a part of the line may lack.
func (m Marks) Partial() bool { return m&(Cut|Unended|Torn) != 0 }

// MaxLine is how many bytes of a line are kept.
const MaxLine = 16 << 20

// Line is one physical line, without its wrapper and its end. It is valid until the next one is
// asked for. A record of a transport that holds several lines gives several with the same Number,
// and records of one line that the transport had cut give one, with the first one's Number.
type Line struct {
	Source *Source
	File   int   // index in the source's Paths
	Number int64 // from 1, within the file
	Offset int64 // in bytes of the uncompressed file
	Length int64 // bytes of the text; more than there are when it is Cut
	Text   []byte
	Outer  Outer
	Marks  Marks
}

// Place is where the line stands, as the first of so many.
func (l *Line) Place(lines int) Place {
	return Place{Source: l.Source, File: l.File, Line: l.Number, Offset: l.Offset, Lines: lines}
}

// take takes bytes off the beginning of a line.
func (l *Line) take(n int) {
	l.Text = l.Text[n:]
	l.Length -= int64(n)
}

// Outer is what a wrapper says of a line.
type Outer struct {
	Stamp     Stamp  // when the transport took it
	Stream    string // stdout or stderr
	Container string // or service, or process's name: lines of several may be mixed in one source
	Priority  int8   // of syslog plus 1: 1 emerg to 8 debug; 0: not known
	PID       int64  // of the process, where journald says it
}

// Seq is what lines are given as. An error ends it.
type Seq = iter.Seq2[*Line, error]
