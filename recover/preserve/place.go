package preserve

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// entry is a file or a folder of a tree.
type entry struct {
	name     string
	size     int64
	modified time.Time
	folder   bool
}

// tree lists and reads files. Paths have slashes.
type tree interface {
	list(ctx context.Context, dir string) ([]entry, error)
	open(ctx context.Context, path string) (io.ReadCloser, error)
}

// place is a tree with the name that people know it by.
type place struct {
	tree
	name string
}

// at is a file of the place, for people.
func (p place) at(file string) string { return path.Join(p.name, file) }

// localTree is a folder of this machine.
type localTree struct{ root string }

// list follows links, as a server does. What is no file and no folder is left out.
func (t localTree) list(_ context.Context, dir string) ([]entry, error) {
	names, err := os.ReadDir(filepath.Join(t.root, dir))
	if err != nil {
		return nil, err
	}
	list := make([]entry, 0, len(names))
	for _, name := range names {
		info, err := os.Stat(filepath.Join(t.root, dir, name.Name()))
		if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			continue // it is gone already
		}
		list = append(list, entry{name.Name(), info.Size(), info.ModTime(), info.IsDir()})
	}
	return list, nil
}

func (t localTree) open(_ context.Context, file string) (io.ReadCloser, error) {
	return evidence.Open(filepath.Join(t.root, file))
}

// item is a file that is to be copied.
type item struct {
	path     string // in its tree
	size     int64
	modified time.Time
	folder   bool // a server does not start on a copy that lacks its empty folders
}

// deepest bounds how deep folders are followed: links may lead in circles.
const deepest = 16

// walk lists the files below a folder of a place. want says whether a file or folder is wanted.
func walk(ctx context.Context, p place, dir string, want func(path string, folder bool) bool, failed func(path string, err error)) ([]item, error) {
	var items []item
	var into func(dir string, depth int) error
	into = func(dir string, depth int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := p.list(ctx, dir)
		if err != nil {
			if lost(ctx, err) {
				return err
			}
			failed(dir, err)
			return nil
		}
		for _, e := range entries {
			file := path.Join(dir, e.name)
			switch {
			case !want(file, e.folder):
			case !e.folder:
				items = append(items, item{path: file, size: e.size, modified: e.modified})
			case depth < deepest:
				items = append(items, item{path: file, folder: true})
				if err := into(file, depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return items, into(dir, 0)
}
