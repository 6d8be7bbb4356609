package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// walSummaryOptions are the flags of `wal summary`.
type walSummaryOptions struct {
	sourceOptions
}

func (o *walSummaryOptions) addFlags(command *cobra.Command) {
	command.Flags().Uint32Var(&o.timeline, "timeline", 0, "timeline to follow (default the newest)")
}

func newWALSummaryCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options walSummaryOptions
	command := &cobra.Command{
		Use:   "summary PATH…",
		Short: "Segments, LSN range, gaps, records by resource manager, checkpoints",
		Long: `Read the whole log, check the CRC of every record, and tell what is there: the
segments, the timeline, the range of LSNs, the gaps, the records and bytes by
resource manager, and the checkpoints with their redo points. Damage costs only
the records that it is in; then the exit code is 3.`,
		Example: `  pgrescue wal summary /copy/data
  pgrescue wal summary /copy/data/pg_wal /archive --timeline 1
  pgrescue wal summary /copy/data --json | jq '.checkpoints[-1].redo'`,
		RunE: func(command *cobra.Command, args []string) error {
			options.wal = args
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runWALSummary(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

// walSummary is what `wal summary --json` prints. The system identifier is a
// string, because JSON readers with floating-point numbers would change it.
type walSummary struct {
	*wal.Summary
	SystemIdentifier uint64 `json:"system_identifier,string"`
}

func runWALSummary(ctx context.Context, options *walSummaryOptions, terminal *term.Terminal, found *recorder) (err error) {
	options.orOfCase(terminal, found)
	if err := options.needPaths("wal summary"); err != nil {
		return err
	}
	archive, err := options.openLog(ctx, terminal, found)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	progress := terminal.Progress(archive.BytesFrom(archive.Oldest()), "reading WAL")
	summary, err := wal.Summarize(ctx, archive, wal.ScanOptions{Progress: progress.Add})
	progress.End()
	if err != nil {
		return err
	}
	if err := found.logGaps(summary.Gaps); err != nil {
		return err
	}
	tellRecycled(terminal, archive)
	summary.Segments, summary.Rmgrs = noNil(summary.Segments), noNil(summary.Rmgrs)
	summary.Checkpoints, summary.Gaps = noNil(summary.Checkpoints), noNil(summary.Gaps)
	if terminal.JSON() {
		err = terminal.WriteJSON(walSummary{summary, summary.SystemIdentifier})
	} else {
		err = printSummary(terminal, summary)
	}
	if err != nil {
		return err
	}
	if summary.Records == 0 {
		return exitcode.With(exitcode.Insufficient, &evidence.Error{
			Op: "wal summary", Err: errors.New("there is no sound record in this WAL"),
		})
	}
	return exitcode.PartialIf(wal.Damage(summary.Gaps))
}

// shownLines is how many lines of a list are printed for people; --json has all of them.
const shownLines = 20

func printSummary(terminal *term.Terminal, summary *wal.Summary) error {
	used, recycled, compressed := 0, 0, 0
	for i := range summary.Segments {
		segment := &summary.Segments[i]
		if segment.State != wal.SegmentInLog {
			continue
		}
		used++
		if segment.Recycled {
			recycled++
		}
		if segment.Compression != "" {
			compressed++
		}
	}
	facts := term.NewTable("", "")
	facts.Add("server", fmt.Sprintf("PostgreSQL %d, system identifier %d", summary.Version, summary.SystemIdentifier))
	facts.Add("timeline", fmt.Sprint(summary.Timeline))
	facts.Add("segments", fmt.Sprintf("%s of %d MiB in the log, %s left out", term.Count(int64(used)),
		summary.SegmentSize>>20, term.Count(int64(len(summary.Segments)-used))))
	if recycled > 0 {
		facts.Add("recycled", fmt.Sprintf("%s of them, found by the page addresses in files named for later use", term.Count(int64(recycled))))
	}
	if compressed > 0 {
		facts.Add("compressed", term.Count(int64(compressed))+" of them")
	}
	if summary.Records > 0 {
		facts.Add("records", fmt.Sprintf("%s from %s to %s", term.Count(summary.Records), summary.Start, summary.End))
	} else {
		facts.Add("records", "none")
	}
	facts.Add("read", term.Bytes(summary.Bytes))
	damage := wal.Damage(summary.Gaps)
	facts.Add("gaps", term.Count(int64(damage)))
	if holes := len(summary.Gaps) - damage; holes > 0 {
		facts.Add("holes", term.Count(int64(holes))+" between recycled segments, where the server wrote over others")
	}
	if err := facts.Write(terminal.Out, ""); err != nil {
		return err
	}
	for _, section := range []struct {
		title string
		table *term.Table
		most  int
		last  bool
	}{
		{"Segments that are not in the log", leftOutTable(summary.Segments), shownLines, false},
		{"Gaps", gapTable(summary.Gaps), shownLines, false},
		{"Records by resource manager", rmgrTable(summary.Rmgrs), 256, false},
		{"Checkpoints", checkpointTable(summary.Checkpoints), shownLines, true},
	} {
		if err := printSection(terminal, section.title, section.table, section.most, section.last); err != nil {
			return err
		}
	}
	return nil
}

// printSection prints a table under its title: the first most rows of it, or the last.
func printSection(terminal *term.Terminal, title string, table *term.Table, most int, last bool) error {
	if table.Len() == 0 {
		return nil
	}
	if hidden := table.Len() - most; hidden > 0 {
		which := "first"
		if last {
			which = "last"
		}
		title = fmt.Sprintf("%s: the %s %d of %s; --json has all", title, which, most, term.Count(int64(table.Len())))
		table.Keep(most, last)
	}
	if err := terminal.Printf("\n%s\n", title); err != nil {
		return err
	}
	return table.Write(terminal.Out, "  ")
}

func leftOutTable(segments []wal.Segment) *term.Table {
	table := term.NewTable("segment", "state", "reason")
	twice := 0 // in a case each segment lies in two or three folders
	for i := range segments {
		switch segment := &segments[i]; segment.State {
		case wal.SegmentInLog:
		case wal.SegmentDuplicate:
			twice++
		default:
			table.Add(segment.Name, segment.State.String(), segment.Reason)
		}
	}
	if twice > 0 {
		table.Add(term.Plural(int64(twice), "file", "files"), wal.SegmentDuplicate.String(), "other files hold the same segments; --json names them")
	}
	return table
}

func gapTable(gaps []wal.Gap) *term.Table {
	table := term.NewTable("where", "what", "why", "so")
	for i := range gaps {
		gap := gaps[i].Evidence()
		table.Add(gap.Where, gap.What, gap.Why, gap.Consequence)
	}
	return table
}

func rmgrTable(rmgrs []wal.RmgrStats) *term.Table {
	table := term.NewTable("resource manager", ">records", ">record bytes", ">images", ">image bytes")
	var total wal.RmgrStats
	add := func(name string, stats *wal.RmgrStats) {
		table.Add(name, term.Count(stats.Records), term.Count(stats.RecordBytes), term.Count(stats.Images), term.Count(stats.ImageBytes))
	}
	for i := range rmgrs {
		stats := &rmgrs[i]
		add(stats.Rmgr.String(), stats)
		total.Records += stats.Records
		total.RecordBytes += stats.RecordBytes
		total.Images += stats.Images
		total.ImageBytes += stats.ImageBytes
	}
	if len(rmgrs) > 0 {
		add("total", &total)
	}
	return table
}

func checkpointTable(checkpoints []wal.Checkpoint) *term.Table {
	table := term.NewTable("LSN", "redo point", "time", "kind", ">next xid", "full-page writes")
	for i := range checkpoints {
		checkpoint := &checkpoints[i]
		kind, writes := "online", "on"
		if checkpoint.Shutdown {
			kind = "shutdown"
		}
		if !checkpoint.FullPageWrites {
			writes = "off"
		}
		table.Add(checkpoint.LSN.String(), checkpoint.Redo.String(), pg.FormatTime(checkpoint.Time), kind,
			fmt.Sprint(checkpoint.NextXID.XID()), writes)
	}
	return table
}
