package evidence

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Kind says what a file of the evidence is.
type Kind string

// The kinds.
const (
	KindRelation Kind = "relation"        // a segment of a relation's main fork
	KindWAL      Kind = "wal"             // a segment, or an archive that holds segments
	KindHistory  Kind = "timeline"        // a timeline's history file
	KindXact     Kind = "transactions"    // pg_xact, pg_multixact, pg_subtrans
	KindControl  Kind = "control"         // pg_control
	KindVersion  Kind = "version"         // PG_VERSION
	KindMap      Kind = "file number map" // pg_filenode.map
	KindCatalog  Kind = "catalog"         // a snapshot file of catalog dump
	KindBackup   Kind = "backup"          // backup_label, backup_manifest
	KindImage    Kind = "image"           // looked through for pages
	KindSource   Kind = "source file"     // that rows came from: CSV, Excel, JSON
	KindLog      Kind = "log"             // of a server or a backend
)

// Read is a file of the evidence that was read, as it was when it was opened first.
type Read struct {
	Path     string // absolute
	Kind     Kind
	Relation pg.RelFileLocator // of KindRelation
	Size     int64
	Modified time.Time
}

// Trail remembers which files were read. What opens evidence carries one; a nil
// Trail remembers nothing. Its methods may be called from several goroutines.
type Trail struct {
	mu    sync.Mutex
	reads map[string]*Read
}

// Open is the function of that name, and remembers the file.
func (t *Trail) Open(path string, kind Kind) (*os.File, error) {
	file, err := Open(path)
	if err == nil {
		t.Note(path, kind)
	}
	return file, err
}

// Note remembers a file that is being read. What is no ordinary file has no
// content that could be looked at again, and is left out.
func (t *Trail) Note(path string, kind Kind) { t.note(path, Read{Kind: kind}) }

// NoteRelation remembers a segment of a relation's file.
func (t *Trail) NoteRelation(path string, file pg.RelFileLocator) {
	t.note(path, Read{Kind: KindRelation, Relation: file})
}

func (t *Trail) note(path string, read Read) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.reads[path]; known != nil {
		if read.Relation.Relation != 0 {
			known.Kind, known.Relation = read.Kind, read.Relation
		}
		return
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return // whoever reads it says what is wrong with it
	}
	read.Path, read.Size, read.Modified = path, info.Size(), info.ModTime().UTC()
	if absolute, err := filepath.Abs(path); err == nil {
		read.Path = absolute
	}
	if t.reads == nil {
		t.reads = make(map[string]*Read)
	}
	t.reads[path] = &read
}

// Reads lists what was read, by path.
func (t *Trail) Reads() []Read {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Read, 0, len(t.reads))
	for _, read := range t.reads {
		list = append(list, *read)
	}
	slices.SortFunc(list, func(a, b Read) int { return cmp.Compare(a.Path, b.Path) })
	return slices.CompactFunc(list, func(a, b Read) bool { return a.Path == b.Path })
}
