package jsonfile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// listNames are the names under which a list is looked for, the first one first: what the
// application sent, what it kept, and those under which its server looks.
func listNames() []string {
	return []string{"file_data", "raw_data", "data", "records", "items", "results", "rows"}
}

// choose takes one of the lists that a walk finds.
func (l *List) choose(ctx context.Context, k *walk, c byte) error {
	src := l.head.Source
	fail := func(cause error, hint string) error {
		return &evidence.Error{Op: "jsonfile: open", Place: src.Place(), Err: evidence.OfKind(ErrNoList, cause), Hint: hint}
	}
	ended := k.value(nil)
	if canceled(ctx, ended) || errors.Is(ended, errTooManyNames) {
		return ended
	}
	_, behind := k.w.peek()
	if k.want == nil && ended == nil && behind {
		return l.sequence(ctx, false) // one object after the other
	}
	if l.found = k.chosen(); l.found != nil {
		l.array = !l.found.single
		l.request = request(l.found.path, k.scalars)
		l.others(k)
		if ended != nil && len(l.found.gaps) == 0 {
			l.outside = append(l.outside, evidence.Gap{
				Where: fmt.Sprintf("%s line %d, byte %d", src.Place(), k.w.line, k.w.offset), What: "the rest of the document",
				Why: why(k, ended), Consequence: "the list " + l.found.path + " is complete; what was said of it behind this place is not known",
			})
		}
		return nil
	}
	if k.want != nil {
		return fail(fmt.Errorf("nothing is under the path %s that could be records%s", l.options.Path, butLists(k)), "--path takes names with dots between them")
	}
	err := l.sequence(ctx, ended == nil)
	switch {
	case err != nil:
		return err
	case l.found.count == 0 && ended != nil:
		return fail(fmt.Errorf("line %d, byte %d: %s before a list or an object is complete", k.w.line, k.w.offset, why(k, ended)), "")
	}
	l.others(k)
	return nil
}

// why says how a walk ended.
func why(k *walk, ended error) string {
	if damage := k.w.damage(); damage != nil {
		return damage.Error()
	}
	if errors.Is(ended, errBroken) {
		return "it is no JSON: " + k.scan.why
	}
	return "the document ends"
}

// chosen is the list that was asked for, or the one under the first of the names.
func (k *walk) chosen() *found {
	names := listNames()
	if k.want != nil {
		names = []string{pathText(k.want)}
	}
	for _, name := range names {
		for _, f := range k.lists {
			if f.path == name {
				return f
			}
		}
	}
	return nil
}

// sequence takes the document as objects one after the other. One alone is a record, too.
func (l *List) sequence(ctx context.Context, single bool) error {
	src := l.head.Source
	w, file, err := document(ctx, src, l.options)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	w.peek()
	l.found = &found{offset: w.offset, line: w.line, single: single}
	l.array = false
	err = l.found.scan(w, elements{place: src.Place(), single: single})
	if err != nil && !errors.Is(err, errCut) {
		return &evidence.Error{Op: "jsonfile: open", Place: src.Place(), Err: err}
	}
	return nil
}

// others tells of the lists that were not taken.
func (l *List) others(k *walk) {
	for _, f := range k.lists {
		if f != l.found && f.count > 0 {
			l.head.Notes = append(l.head.Notes, fmt.Sprintf("the list under %s (%s) is not taken; --path %s takes it", f.path, objects(f.count), f.path))
		}
	}
}

// butLists names the lists that there are.
func butLists(k *walk) string {
	var paths []string
	for _, f := range k.lists {
		paths = append(paths, f.path)
	}
	if len(paths) == 0 {
		return ""
	}
	return "; lists are under " + strings.Join(paths, ", ")
}

func objects(n int64) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}

// describe writes the head.
func (l *List) describe() {
	f := l.found
	l.head.Part, l.head.Header = f.path, f.names.list
	shape := "a list"
	switch {
	case !l.array && f.single:
		shape = "one object"
	case !l.array:
		shape = "objects one after the other"
	case f.notes.lists > 1:
		shape = fmt.Sprintf("%d lists one after the other", f.notes.lists)
	}
	set := func(name, value string, found bool) {
		l.head.Settings = append(l.head.Settings, importers.Setting{Name: name, Value: value, Found: found})
	}
	set("shape", shape, true)
	if f.path != "" {
		set("path", f.path, l.options.Path == "")
	}
	set("encoding", string(l.enc), l.options.Encoding == "")
	note := func(n int64, format string) {
		if n > 0 {
			l.head.Notes = append(l.head.Notes, fmt.Sprintf(format, n))
		}
	}
	note(f.notes.missingCommas, "%d commas between objects are missing")
	note(f.notes.extraCommas, "%d commas stand where none may stand")
	if r := l.request; r != nil && r.Records >= 0 && r.Records != f.count {
		l.head.Notes = append(l.head.Notes, fmt.Sprintf("the document says that there were %d records, and %d are in it", r.Records, f.count))
	}
}
