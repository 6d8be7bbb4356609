package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/events"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// logReading is logs that were found, and what was seen while they were read.
type logReading struct {
	terminal *term.Terminal
	found    *recorder // nil: there is no case
	sources  []*logparse.Source
	skipped  []logparse.Skipped
	// clocks learn how sources differ; who makes events adds those that stand in several sources.
	clocks       *logparse.Clocks
	since, until time.Time
	timed        bool
	goesOn       bool
	unread       []evidence.Gap // whole files
	seen         map[*logparse.Source]*seenLog
}

// seenLog counts what came of one source.
type seenLog struct {
	entries  int64
	zoneless int64 // entries whose time has no zone
	first    logparse.Place
	twice    int64 // entries of an hour that the clock of the stated zone showed twice, or never
	fold     logparse.Place
}

// openLogs finds logs and their formats, and shows them. Logs of which no format is known, and those
// whose times have no zone where that matters, are refused before any is read.
func openLogs(ctx context.Context, terminal *term.Terminal, found *recorder, options *logsOptions) (*logReading, error) {
	r := &logReading{terminal: terminal, found: found, clocks: logparse.NewClocks(), timed: options.timed, goesOn: options.goesOn, seen: make(map[*logparse.Source]*seenLog)}
	var err error
	if r.since, r.until, err = options.window(); err != nil {
		return nil, err
	}
	r.timed = r.timed || !r.since.IsZero() || !r.until.IsZero()
	detectors, err := options.detectors()
	if err != nil {
		return nil, err
	}
	sources, err := r.find(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := logparse.Recognise(ctx, sources, detectors...); err != nil {
		return nil, logsError(err)
	}
	if err := r.keep(ctx, sources, options.paths); err != nil {
		return nil, err
	}
	r.show()
	for _, source := range r.sources {
		source.Clocks = r.clocks
		r.seen[source] = &seenLog{}
	}
	if r.timed {
		return r, r.checkZones(ctx)
	}
	return r, nil
}

// find finds the logs, and tells those apart that nobody could look at.
func (r *logReading) find(ctx context.Context, options *logsOptions) ([]*logparse.Source, error) {
	zones, err := parseZones(options.zones)
	if err != nil {
		return nil, err
	}
	sources, skipped, err := logparse.Find(ctx, logparse.FindOptions{Paths: options.paths, Stdin: options.stdin, Zones: zones, Trail: r.found.Trail()})
	if err != nil {
		return nil, logsError(err)
	}
	for _, s := range skipped {
		if s.Unread {
			r.unread = append(r.unread, evidence.Gap{Where: s.Path, What: "the whole file", Why: s.Why, Consequence: "it may be a log"})
			continue
		}
		r.skipped = append(r.skipped, s)
	}
	if idle := zones.Idle(sources); len(idle) > 0 && len(sources) > 0 {
		return nil, exitcode.Usagef("the logs are "+namesOf(sources), "--zone %s=…: no log has this name", idle[0])
	}
	return sources, nil
}

// keep takes the sources that can be read. In a folder, what has no known format is skipped;
// of what was named it is a gap.
func (r *logReading) keep(ctx context.Context, sources []*logparse.Source, named []string) error {
	var unknown []string
	for _, source := range sources {
		open := source.Wrapper != "" // other programs may come in it yet
		if source.Format == "" && !open {
			sample, err := source.Sample(ctx)
			if err != nil {
				return logsError(err)
			}
			open = len(sample) == 0 // its first line is longer than what was looked at
		}
		switch {
		case source.Format != "" || open:
			r.sources = append(r.sources, source)
			continue
		case len(source.Paths) > 0 && !slices.Contains(named, source.Paths[0]):
			r.skipped = append(r.skipped, logparse.Skipped{Path: source.Paths[0], Why: unknownFormat, Hint: formatHint})
		default:
			r.unread = append(r.unread, evidence.Gap{Where: source.Name, What: "the whole file", Why: unknownFormat})
		}
		unknown = append(unknown, source.Name)
	}
	switch {
	case len(r.sources) > 0:
		return nil
	case len(unknown) > 0:
		return exitcode.With(exitcode.Insufficient, exitcode.Hinted(
			fmt.Errorf("logs: nothing can be read of %s: %s", shortList(unknown), unknownFormat), formatHint))
	}
	why := ""
	switch {
	case len(r.unread) > 0:
		code := exitcode.Insufficient
		if r.unread[0].Why == fs.ErrPermission.Error() {
			code = exitcode.Permission
		}
		return exitcode.With(code, fmt.Errorf("logs: no log can be read: %s", r.unread[0]))
	case len(r.skipped) == 1:
		why = ": " + r.skipped[0].Why
	}
	return exitcode.With(exitcode.NotFound, exitcode.Hinted(
		fmt.Errorf("logs: no log is in %s%s", shortList(named), why), "files of text are read, also compressed with gzip, zstd, xz or bzip2"))
}

const (
	unknownFormat = "the format of its lines is not known"
	formatHint    = "--log-line-prefix says how PostgreSQL wrote them, --log-format how a Python program did"
	mostShown     = 20 // lines about sources, of each kind
)

// shortList names some of many.
func shortList(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// namesOf names some of many logs.
func namesOf(sources []*logparse.Source) string {
	names := make([]string, len(sources))
	for i, source := range sources {
		names[i] = source.Name
	}
	return shortList(names)
}

// show tells which logs were found, and what was not taken for one.
func (r *logReading) show() {
	for i, source := range r.sources {
		if i == mostShown {
			r.terminal.Infof("and %s", term.Plural(int64(len(r.sources)-i), "more log", "more logs"))
			break
		}
		r.terminal.Infof("%s: %s", source.Name, describeLog(source))
	}
	for i, skipped := range r.skipped {
		if i == mostShown {
			r.terminal.Infof("and %s more that are no logs", term.Count(int64(len(r.skipped)-i)))
			break
		}
		text := "skipped " + filepath.Base(skipped.Path) + ": " + skipped.Why
		if skipped.Hint != "" {
			text += "; " + skipped.Hint
		}
		r.terminal.Infof("%s", text)
	}
}

// describeLog says what a source is.
func describeLog(source *logparse.Source) string {
	text := source.Format
	if text == "" {
		text = unknownFormat
	}
	if source.Wrapper != "" {
		text += ", within " + source.Wrapper
	}
	if n := len(source.Paths); n > 1 {
		text += fmt.Sprintf(", %d files that continue each other", n)
	}
	if source.Encoding != "" && source.Encoding != "utf-8" {
		text += ", " + source.Encoding
	}
	if source.Zone != nil {
		text += ", times in " + source.Zone.String()
	}
	return text
}

// entries gives the entries of all sources, one source after the other. An entry is valid until take returns.
func (r *logReading) entries(ctx context.Context, take func(*logparse.Entry) error) error {
	total := int64(0)
	for _, source := range r.sources {
		if source.Size < 0 || total < 0 {
			total = -1
			continue
		}
		total += source.Size
	}
	progress := r.terminal.Progress(total, "reading the logs")
	defer progress.End()
	done := int64(0)
	for _, source := range r.sources {
		progress.Begin(total, "reading "+source.Name)
		source.Read = func(bytes int64) { progress.Set(done + bytes) }
		if err := r.entriesOf(ctx, source, take); err != nil {
			return err
		}
		done += max(source.Size, 0)
	}
	return nil
}

func (r *logReading) entriesOf(ctx context.Context, source *logparse.Source, take func(*logparse.Entry) error) error {
	seen := r.seen[source]
	for entry, err := range source.Entries(ctx) {
		if err != nil {
			return logsError(err)
		}
		seen.entries++
		if entry.Zone == logparse.NoZone && !entry.Time.IsZero() {
			if seen.zoneless++; seen.zoneless == 1 {
				seen.first = entry.Place
			}
			if r.timed && len(source.Paths) == 0 {
				return needZone([]*logparse.Source{source}, entry.Stamp)
			}
		}
		if entry.Zone == logparse.Twice || entry.Zone == logparse.Leapt {
			if seen.twice++; seen.twice == 1 {
				seen.fold = entry.Place
			}
		}
		if err := take(entry); err != nil {
			return err
		}
	}
	return nil
}

// events gives the events that a reader makes of all entries.
func (r *logReading) events(ctx context.Context, reader *events.Reader, take func(*logparse.Event) error) error {
	if err := r.entries(ctx, func(e *logparse.Entry) error { return reader.Add(e, take) }); err != nil {
		return err
	}
	return reader.Flush(take)
}

// within reports whether a time is between --since and --until. What has no time is.
func (r *logReading) within(stamp logparse.Stamp) bool {
	return stamp.Time.IsZero() || !stamp.Time.Before(r.since) && (r.until.IsZero() || stamp.Time.Before(r.until))
}

// finish tells what was seen while the logs were read, notes it in the case, and counts what could not be read.
func (r *logReading) finish() (gaps int, err error) {
	all := r.unread
	for _, source := range r.sources {
		all = append(all, source.Gaps()...)
		r.tell(source)
	}
	r.terminal.Gaps(all, shownGaps)
	for _, offset := range r.clocks.Offsets() {
		if offset.Ahead.Abs() >= time.Second {
			r.terminal.Infof("%s", offset)
		}
	}
	return len(all), r.found.gaps(all)
}

// tell tells what was seen of one source.
func (r *logReading) tell(source *logparse.Source) {
	for _, note := range source.Notes() {
		r.terminal.Infof("%s: %s", source.Name, note)
	}
	if back := source.Setbacks(); len(back) > 0 {
		text := fmt.Sprintf("%s: the clock goes back by %v", back[0].Place, back[0].By.Round(time.Millisecond))
		if more := len(back) - 1; more > 0 {
			text += fmt.Sprintf(", and %s in this log", term.Plural(int64(more), "time more", "times more"))
		}
		r.terminal.Warnf("%s", text)
	}
	if seen := r.seen[source]; seen.zoneless > 0 {
		r.terminal.Warnf("%s: %s, the first on line %d; they are taken as they stand", source.Name,
			term.Plural(seen.zoneless, "time has no zone", "times have no zone"), seen.first.Line)
		r.terminal.Hintf("%s", zoneHint([]*logparse.Source{source}))
	}
	if seen := r.seen[source]; seen.twice > 0 {
		r.terminal.Warnf("%s: %s in an hour that the clock of %s showed twice or left out, the first on line %d; it may have been an hour later", source.Name,
			term.Plural(seen.twice, "time is", "times are"), source.Zone, seen.fold.Line)
	}
	for _, unread := range source.Unread() {
		of := source.Name
		if unread.Container != "" {
			of += ", " + unread.Container
		}
		r.terminal.Infof("%s: %s of no format that is known", of, term.Plural(unread.Lines, "line is", "lines are"))
	}
}

// logFound is a log of a command's --json.
type logFound struct {
	Log      string   `json:"log"`
	Paths    []string `json:"paths"`
	Format   string   `json:"format"`
	Wrapper  string   `json:"wrapper,omitempty"`
	Zone     string   `json:"zone,omitempty"` // that was stated
	Entries  int64    `json:"entries"`
	Zoneless int64    `json:"times_without_zone"`
	Setbacks int      `json:"setbacks"` // of its clock
	Unread   int64    `json:"unread_lines"`
	Gaps     int      `json:"gaps"`
}

// logs says for --json what was read.
func (r *logReading) logs() []logFound {
	list := []logFound{}
	for _, source := range r.sources {
		log := logFound{
			Log: source.Name, Paths: noNil(source.Paths), Format: source.Format, Wrapper: source.Wrapper, Entries: r.seen[source].entries,
			Zoneless: r.seen[source].zoneless, Setbacks: len(source.Setbacks()), Gaps: len(source.Gaps()),
		}
		if source.Zone != nil {
			log.Zone = source.Zone.String()
		}
		for _, unread := range source.Unread() {
			log.Unread += unread.Lines
		}
		list = append(list, log)
	}
	return list
}
