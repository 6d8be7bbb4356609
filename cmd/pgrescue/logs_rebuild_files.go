package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// rebuiltFiles takes rows into a file of each table, into one file, or onto stdout. It is a Sink.
type rebuiltFiles struct {
	dir    string // "": one output, or none
	format evidence.Format
	force  bool
	made   bool // the folder was not there before
	files  []*rescueFile
	of     []*evidence.Relation // that the files in the folder are of
	all    *rescueFile          // one output for all tables; nil: there is none
}

// formatAndFile reads --output and --format: a name that ends like a format is a file of it.
func (o *logsRebuildOptions) formatAndFile(terminal *term.Terminal) (format evidence.Format, file bool, err error) {
	ending := evidence.Format(strings.TrimPrefix(filepath.Ext(o.output), "."))
	if file = slices.Contains(evidence.Formats(), ending); file {
		return ending, true, nil
	}
	if terminal.JSON() && o.output == stdoutName {
		return evidence.FormatJSONL, false, nil
	}
	format, err = formatOf(o.format)
	return format, false, err
}

// checkOutput refuses an output that cannot be written, before any work is done.
func (o *logsRebuildOptions) checkOutput(terminal *term.Terminal) error {
	_, file, err := o.formatAndFile(terminal)
	if err != nil || o.output == "" || o.output == stdoutName {
		return err
	}
	for _, path := range o.paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() && within(o.output, path) {
			return exitcode.With(exitcode.Refused, exitcode.Hinted(
				fmt.Errorf("logs rebuild: write into %s: it lies in the evidence, %s, which is only read", o.output, path), "name a place outside of it"))
		}
	}
	if file {
		return mayWrite(o.output, o.force)
	}
	if info, err := os.Stat(o.output); err == nil && !info.IsDir() {
		return exitcode.With(exitcode.Refused, exitcode.Hinted(
			fmt.Errorf("logs rebuild: write into %s: it is there, and it is no folder", o.output), "a file's name ends with .copy, .csv, .jsonl or .sql"))
	}
	return nil
}

func newRebuiltFiles(options *logsRebuildOptions, terminal *term.Terminal) (*rebuiltFiles, error) {
	format, file, err := options.formatAndFile(terminal)
	if err != nil {
		return nil, err
	}
	f := &rebuiltFiles{format: format, force: options.force}
	switch {
	case options.output == "":
	case options.output == stdoutName || file:
		f.all, err = f.create(options.output, terminal.Out)
	default:
		f.dir = options.output
		_, missing := os.Stat(f.dir)
		f.made = errors.Is(missing, fs.ErrNotExist)
		err = makeFolder(f.dir)
	}
	return f, err
}

// create begins a file; for stdout it writes to out.
func (f *rebuiltFiles) create(path string, out io.Writer) (*rescueFile, error) {
	output, err := createOutput(path, f.force)
	if err != nil {
		return nil, err
	}
	file := &rescueFile{name: filepath.Base(path), output: output}
	if path != stdoutName {
		out = output
	}
	file.writer, err = evidence.NewWriter(f.format, out)
	f.files = append(f.files, file)
	return file, err
}

// Put takes one row.
func (f *rebuiltFiles) Put(row *evidence.Row) error {
	file := f.all
	if f.dir != "" {
		var err error
		if file, err = f.fileOf(row.Relation); err != nil {
			return err
		}
	}
	if file == nil {
		return nil
	}
	err := file.writer.Put(row)
	if f.dir == "" && err != nil && (f.format == evidence.FormatCopy || f.format == evidence.FormatCSV) {
		err = exitcode.With(exitcode.Usage, exitcode.Hinted(err, "choose one with --table, or use --format jsonl or sql, or name a folder with -o"))
	}
	return err
}

// fileOf finds the file of a table; copy and csv need one for each of its shapes.
func (f *rebuiltFiles) fileOf(relation *evidence.Relation) (*rescueFile, error) {
	for i, of := range f.of {
		same := of == relation || of.RelationName == relation.RelationName &&
			(f.format == evidence.FormatJSONL || f.format == evidence.FormatSQL || slices.Equal(of.Columns, relation.Columns))
		if same {
			return f.files[i], nil
		}
	}
	named := &undelete.Table{Relation: &catalog.Relation{Schema: relation.Schema, Name: relation.Name}}
	if relation.Schema == "" { // nobody knows it
		named.Relation.Schema, named.Relation.Name = relation.Name, ""
	}
	name := strings.TrimRight(fileName(named, f.files), ".") + "." + string(f.format)
	file, err := f.create(filepath.Join(f.dir, name), nil)
	if err == nil {
		f.of = append(f.of, relation)
	}
	return file, err
}

// finish makes the files durable, and names them.
func (f *rebuiltFiles) finish(terminal *term.Terminal) ([]string, error) {
	names := []string{}
	var unknown, unstated int64
	for _, file := range f.files {
		if err := file.writer.Flush(); err != nil {
			return nil, fmt.Errorf("write rows: %w", err)
		}
		unknown += file.writer.UnknownValues()
		unstated += file.writer.Unstated()
		if file.output.path == "" {
			continue
		}
		names = append(names, file.output.path)
		if err := file.output.commit(); err != nil {
			return nil, err
		}
	}
	warnUnknown(terminal, unknown, f.format)
	warnUnstated(terminal, unstated)
	return names, nil
}

// discard removes what is not complete, and the folder when nothing is in it.
func (f *rebuiltFiles) discard() {
	for _, file := range f.files {
		file.output.discard()
	}
	if f.made {
		_ = os.Remove(f.dir) // the system refuses it for a folder with files
	}
}
