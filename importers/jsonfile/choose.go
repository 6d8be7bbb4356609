package jsonfile

import (
	"cmp"
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

// maxDocuments is how many documents of the application one source may hold.
const maxDocuments = 10000

// choose takes one of the lists of each document, or the documents themselves as records.
func choose(ctx context.Context, src *importers.Source, options Options, w *window) ([]*List, error) {
	var lists []*List
	for number := 1; number <= maxDocuments; number++ {
		k := &walk{w: w, place: src.Place(), want: parsePath(options.Path), scalars: make(map[string]string)}
		_, _ = w.peek()
		k.began = fmt.Sprintf("%s line %d, byte %d", src.Place(), w.line, w.offset)
		ended := k.value(nil)
		if err := w.stopped(); err != nil || errors.Is(ended, errTooManyNames) {
			return nil, failed(src, cmp.Or(err, ended), "")
		}
		next, behind := byte(0), false
		if ended == nil {
			next, behind = between(w)
		}
		f := k.chosen()
		if number == 1 && (f == nil || behind && next == '{' && !k.unmistakable(f)) {
			return plain(ctx, src, options, k, ended, behind)
		}
		lists = k.taken(lists, f, number, src, options)
		k.outside(lists[len(lists)-1], ended, next, behind)
		if ended != nil || !behind || next != '{' {
			break
		}
	}
	for _, l := range lists {
		l.describe()
	}
	return lists, nil
}

// between passes what stands between two documents.
func between(w *window) (byte, bool) {
	c, ok := w.peek()
	for ok && (c == ',' || c == 0x1E) {
		w.consume(1)
		c, ok = w.peek()
	}
	return c, ok
}

// unmistakable tells whether a list is one that the application sent or kept, or was named, so
// that documents with such lists are not records themselves.
func (k *walk) unmistakable(f *found) bool {
	return k.want != nil || f.path == "file_data" || f.path == "raw_data" && k.scalars["filename"] != ""
}

// taken adds the list of one document.
func (k *walk) taken(lists []*List, f *found, number int, src *importers.Source, options Options) []*List {
	if f == nil {
		first := lists[0]
		first.outsideGaps = append(first.outsideGaps, evidence.Gap{
			Where: k.began, What: fmt.Sprintf("document %d, which begins here", number),
			Why: "it has no list under " + first.found.path, Consequence: "it has no records",
		})
		return lists
	}
	l := newList(src, options, k.w, f)
	l.request = request(f.path, k.scalars)
	l.document = number
	l.others(k)
	return append(lists, l)
}

// outside notes what could not be read of a document beside its list.
func (k *walk) outside(l *List, ended error, next byte, behind bool) {
	gap := evidence.Gap{Where: fmt.Sprintf("%s line %d, byte %d", k.place, k.w.line, k.w.offset)}
	switch {
	case ended != nil && len(l.found.gaps) == 0:
		gap.What, gap.Why = "the rest of the document", why(k, ended)
		gap.Consequence = "the list " + l.found.path + " is complete; what was said of it behind this place is not known"
	case ended == nil && behind && next != '{':
		gap.What, gap.Why = "what stands behind the document", "it is no other document"
	case ended == nil && k.w.damage() != nil:
		gap.What, gap.Why = "what stands behind the document", k.w.damage().Error()
	default:
		return
	}
	l.outsideGaps = append(l.outsideGaps, gap)
}

// plain takes the documents for records.
func plain(ctx context.Context, src *importers.Source, options Options, k *walk, ended error, behind bool) ([]*List, error) {
	if k.want != nil {
		return nil, failed(src, noList("nothing is under the path "+options.Path+" that could be records"+butLists(ctx, src, options)),
			"--path takes names with dots between them")
	}
	l, err := sequence(ctx, src, options, ended == nil && !behind)
	switch {
	case err != nil:
		return nil, err
	case l.found.count == 0 && ended != nil:
		return nil, failed(src, noList(fmt.Sprintf("line %d, byte %d: %s before a list or an object is complete", k.w.line, k.w.offset, why(k, ended))), "")
	}
	l.others(k)
	l.describe()
	return []*List{l}, nil
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

// sequence takes the source as objects one after the other. One alone is a record, too.
func sequence(ctx context.Context, src *importers.Source, options Options, single bool) (*List, error) {
	w, file, err := document(ctx, src, options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	w.peek()
	l := newList(src, options, w, &found{offset: w.offset, line: w.line, single: single})
	l.array = false
	err = l.found.scan(w, elements{place: src.Place(), single: single})
	if err != nil && !errors.Is(err, errCut) {
		return nil, failed(src, err, "")
	}
	return l, nil
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
func butLists(ctx context.Context, src *importers.Source, options Options) string {
	w, file, err := document(ctx, src, options)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	k := &walk{w: w, place: src.Place(), scalars: make(map[string]string)}
	_ = k.value(nil) // its end is told by what failed before
	var paths []string
	for _, f := range k.lists[:min(len(k.lists), 20)] {
		if f.path == "" {
			return "; the document itself is a list, which is taken without --path"
		}
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
	if l.document > 1 {
		l.head.Part = fmt.Sprintf("%s%s%d", f.path, ofDocument, l.document)
	}
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
	note(f.notUTF8, "%d objects hold bytes that are no UTF-8; if the document is in another encoding, name it")
	if r := l.request; r != nil && r.Records >= 0 && r.Records != f.count {
		l.head.Notes = append(l.head.Notes, fmt.Sprintf("the document says that there were %d records, and %d are in it", r.Records, f.count))
	}
}
