package logparse

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// toy is a format whose entries begin with a word and a stamp; other lines belong to the entry before.
type toy struct {
	word  string
	score float64
	mixed bool
}

func (d toy) begins(text []byte) bool { return bytes.HasPrefix(text, []byte(d.word+" ")) }

func (d toy) Detect(sample []Line) []Candidate {
	found := 0
	for i := range sample {
		if d.begins(sample[i].Text) {
			found++
		}
	}
	if found == 0 {
		return nil
	}
	candidate := Candidate{Format: d.word + "'s format", Score: d.score, Framer: func() Framer { return &toyFramer{toy: d} }}
	if d.mixed {
		candidate.Begins = d.begins
	}
	return []Candidate{candidate}
}

type toyFramer struct {
	toy
	entry Entry
}

func (f *toyFramer) Frame(line *Line, out func(*Entry) error) error {
	if !f.begins(line.Text) {
		f.entry.Message = append(append(f.entry.Message, '|'), line.Text...)
		f.entry.Lines++
		return nil
	}
	if err := f.Flush(out); err != nil {
		return err
	}
	text := line.Text[len(f.word)+1:]
	stamp, _ := ParseStamp(text)
	f.entry = Entry{Place: line.Place(1), Stamp: stamp, Outer: line.Outer, Message: bytes.Clone(line.Text)}
	return nil
}

func (f *toyFramer) Flush(out func(*Entry) error) error {
	if f.entry.Lines == 0 {
		return nil
	}
	err := out(&f.entry)
	f.entry.Lines = 0
	return err
}

func messages(t *testing.T, source *Source) (texts []string) {
	t.Helper()
	for entry, err := range source.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(entry.Message))
	}
	return texts
}

func TestRecognise(t *testing.T) {
	t.Parallel()
	mixed := strings.Repeat("red 2025-10-07 18:22:49 a\nmore\nblue 2025-10-07 18:22:49 b\nstill\n", 3)
	var both []string
	for range 3 {
		both = append(both, "red 2025-10-07 18:22:49 a|more", "blue 2025-10-07 18:22:49 b|still")
	}
	tests := []struct {
		name, text, format string
		detectors          []Detector
		want               []string
	}{
		{"the better one", "red 2025-10-07 18:22:49 a\n", "red's format", []Detector{toy{"blue", 0.5, false}, toy{"red", 0.9, false}}, []string{"red 2025-10-07 18:22:49 a"}},
		{"mixed", mixed, "red's format; blue's format", []Detector{toy{"blue", 0.4, true}, toy{"red", 0.6, true}}, both},
		{"one that cannot be mixed", "red 2025-10-07 18:22:49 a\nblue 1\n", "red's format", []Detector{toy{"red", 0.6, false}, toy{"blue", 0.4, true}}, []string{"red 2025-10-07 18:22:49 a|blue 1"}},
		{"too little", "red 2025-10-07 18:22:49 a\n", "", []Detector{toy{"red", 0.1, true}}, nil},
		{"none", "green\n", "", []Detector{toy{"red", 0.9, true}}, nil},
		{
			"two containers", "a-1  | red 2025-10-07 18:22:49 a\nb-1  | blue 2025-10-07 18:22:50 b\na-1  | more\nb-1  | still\n",
			"red's format; blue's format",
			[]Detector{toy{"red", 0.9, false}, toy{"blue", 0.9, false}},
			[]string{"red 2025-10-07 18:22:49 a|more", "blue 2025-10-07 18:22:50 b|still"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := found(t, test.text)
			if err := Recognise(context.Background(), []*Source{source}, test.detectors...); err != nil {
				t.Fatal(err)
			}
			got := messages(t, source)
			slices.Sort(got)
			slices.Sort(test.want)
			if source.Format != test.format || !slices.Equal(got, test.want) {
				t.Errorf("%q: %q; want %q: %q", source.Format, got, test.format, test.want)
			}
		})
	}
}

func TestEntriesStop(t *testing.T) {
	t.Parallel()
	source := found(t, strings.Repeat("red 2025-10-07 18:22:49 a\n", 100))
	if err := Recognise(context.Background(), []*Source{source}, toy{"red", 1, true}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range source.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range source.Entries(ctx) {
		if err == nil {
			t.Error("reading went on")
		}
	}
}

// TestWhen: the Docker Desktop prefix is in the viewer's zone, the program's stamp in UTC, and neither says so.
func TestWhen(t *testing.T) {
	t.Parallel()
	const desktop = "2025-09-15 16:18:41.928 | red 2025-09-15 20:18:41,927 a\n2025-09-15 16:18:42.000 | red without a stamp\n"
	const docker = `{"log":"red 2025-09-15 22:18:41 a\n","stream":"stdout","time":"2025-09-15T20:18:41.930Z"}` + "\n"
	tests := []struct {
		name, text, zone string
		want             []string
	}{
		{"no zone", desktop, "", []string{"2025-09-15T20:18:41.927Z zone not known", "2025-09-15T16:18:42Z zone not known"}},
		{"stated", desktop, "UTC", []string{"2025-09-15T20:18:41.927Z zone as stated", "2025-09-15T16:18:42Z zone as stated"}},
		{"the transport has one", docker, "", []string{"2025-09-15T20:18:41.93Z time of the transport"}},
		{"stated beside it", docker, "Europe/Berlin", []string{"2025-09-15T20:18:41Z zone as stated"}},
	}
	for _, test := range tests {
		source := found(t, test.text)
		if test.zone != "" {
			zone, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			source.Zone = zone
		}
		if err := Recognise(context.Background(), []*Source{source}, toy{"red", 1, true}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for entry, err := range source.Entries(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, entry.Time.Format(time.RFC3339Nano)+" "+entry.Zone.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSetbacks(t *testing.T) {
	t.Parallel()
	source := found(t, "red 2025-10-26 02:59:58 UTC a\nred 2025-10-26 02:59:55 UTC a little\nred 2025-10-26 02:00:00 UTC the hour again\nred 2025-10-26 02:00:01 UTC b\n")
	if err := Recognise(context.Background(), []*Source{source}, toy{"red", 1, true}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		messages(t, source)
		if got := source.Setbacks(); len(got) != 1 || got[0].Line != 3 || got[0].By != time.Hour-2*time.Second {
			t.Errorf("%+v", got)
		}
	}
}

// TestWhatComesLate: a container, and a program in the same container, that begin behind the first sample.
func TestWhatComesLate(t *testing.T) {
	t.Parallel()
	early, late := "red 2025-10-07 18:22:49 a\n", "blue 2025-10-07 18:22:50 b\n"
	many := 2 * sampleSize / len(early)
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"a container": {strings.Repeat("a-1  | "+early, many) + "b-1  | " + late + "a-1  | " + early, 1},
		"many lines":  {strings.Repeat("a-1  | "+early, many) + strings.Repeat("b-1  | "+late, 3*lateLines), 3 * lateLines},
		"a program":   {strings.Repeat(early, 2*many) + strings.Repeat(late, 2*many), 2 * many},
	} {
		source := found(t, test.text)
		if err := Recognise(context.Background(), []*Source{source}, toy{"red", 0.9, true}, toy{"blue", 0.9, true}); err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, message := range messages(t, source) {
			if message == strings.TrimSuffix(late, "\n") {
				got++
			}
		}
		if got != test.want || !strings.Contains(source.Format, "blue") {
			t.Errorf("%s: %d entries in %q, want %d", name, got, source.Format, test.want)
		}
	}
}

func TestUnread(t *testing.T) {
	t.Parallel()
	source := found(t, "a-1  | red 2025-10-07 18:22:49 a\nb-1  | green\nb-1  | green\n")
	if err := Recognise(context.Background(), []*Source{source}, toy{"red", 1, true}); err != nil {
		t.Fatal(err)
	}
	messages(t, source)
	if got := source.Unread(); !slices.Equal(got, []Unread{{"b-1", 2}}) {
		t.Errorf("%v", got)
	}
}
