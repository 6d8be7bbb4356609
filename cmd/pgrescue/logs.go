package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/pglog"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

func newLogsCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup(
		"logs", "What the logs of servers and backends say",
		`What the logs of servers and backends say. PATH is a file, a folder, or - for standard
input; rotated files that continue each other are one log, and files that are compressed
with gzip, zstd, xz or bzip2 are read as they are. What stands in a file, its content says:
PostgreSQL's stderr, csvlog and jsonlog, Python's logging, JSON lines, access lines of web
servers, each as it was written or as Docker, Kubernetes, journald or syslog wrapped it.`,
		`  pgrescue logs timeline /copy/data/log
  pgrescue logs patterns test discovery backend.log
  pgrescue logs patterns suggest /copy/logs
  pgrescue logs patterns check mine.yaml`,
		newLogsRebuildCommand(terminal, cases),
		newLogsPatternsCommand(terminal, cases),
		newLogsTimelineCommand(terminal, cases),
	)
}

// logsOptions are the flags of the commands below logs that say which logs are read, and how.
type logsOptions struct {
	paths        []string
	stdin        io.Reader
	zones        []string
	prefix       string
	shapes       []string
	profile      string
	patterns     string
	since, until string
	// timed: nothing can be said of a log whose times have no zone.
	timed bool
	// goesOn: such a log is left out, as a gap, and does not stop the command.
	goesOn bool
}

// addReading adds the flags that say how lines are read.
func (o *logsOptions) addReading(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVar(&o.zones, "zone", nil, "`[FILE=]AREA/CITY` of times that have no zone, such as Europe/Berlin, or UTC; FILE may hold * and ?; may be repeated")
	flags.StringVar(&o.prefix, "log-line-prefix", "", "log_line_prefix of PostgreSQL's stderr, as in postgresql.conf (default: found)")
	flags.StringArrayVar(&o.shapes, "log-format", nil, "`FORMAT` of Python's logging, such as '%(asctime)s %(levelname)s %(message)s' (default: found); may be repeated")
}

// addPack adds the flags that say which patterns messages of backends are compared with.
func (o *logsOptions) addPack(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.profile, "profile", "discovery", "patterns that pgrescue has for a backend: discovery, or none")
	flags.StringVar(&o.patterns, "patterns", "", "pattern pack of your own, a YAML `FILE`, in the place of --profile")
}

// addWindow adds the flags that leave out what came before or later.
func (o *logsOptions) addWindow(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.since, "since", "", "only what happened at this `time` or later; with a zone")
	flags.StringVar(&o.until, "until", "", "only what happened before this `time`; with a zone")
}

// take notes what stands behind the flags.
func (o *logsOptions) take(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return exitcode.Usagef("name log files, a folder that holds some, or - for standard input", "%s: no PATH is named", command.CommandPath())
	}
	o.paths, o.stdin = args, command.InOrStdin()
	return nil
}

// window reads --since and --until; a zero time is no bound.
func (o *logsOptions) window() (since, until time.Time, err error) {
	if since, err = parseTime("since", o.since); err != nil {
		return since, until, err
	}
	if until, err = parseTime("until", o.until); err != nil {
		return since, until, err
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return since, until, exitcode.Usagef("", "--since %s is not before --until %s", o.since, o.until)
	}
	return since, until, nil
}

// pack finds the patterns; nil: none are wanted.
func (o *logsOptions) pack() (*applog.Pack, error) {
	switch {
	case o.patterns != "":
		return findPack(o.patterns)
	case o.profile == "none":
		return nil, nil
	case o.profile == discoveryPack || o.profile == "":
		return applog.Discovery()
	}
	return nil, exitcode.Usagef("pgrescue has discovery; --patterns FILE names a pack of your own, and --profile none is without any", "--profile %q is not known", o.profile)
}

// discoveryPack is the name of the pack that ships inside.
const discoveryPack = "discovery"

// findPack finds the pack that ships inside, by its name, or reads a file.
func findPack(name string) (*applog.Pack, error) {
	if name == discoveryPack {
		return applog.Discovery()
	}
	file, err := evidence.Open(name)
	if err != nil {
		err = exitcode.Hinted(fmt.Errorf("open pattern pack: %w", err), "a pack is a YAML file, or "+discoveryPack+"; `pgrescue logs patterns suggest` drafts one")
		if errors.Is(err, evidence.ErrNotRegular) {
			err = exitcode.With(exitcode.Usage, err)
		}
		return nil, err
	}
	defer file.Close()
	pack, err := applog.ParsePack(name, file)
	return pack, logsError(err)
}

// detectors are what offers formats for lines.
func (o *logsOptions) detectors() ([]logparse.Detector, error) {
	var backend applog.Detector
	var server pglog.Detector
	for _, text := range o.shapes {
		shape, err := applog.ParseShape(text)
		if err != nil {
			return nil, exitcode.With(exitcode.Usage, err)
		}
		backend.Shapes = append(backend.Shapes, shape)
	}
	if o.prefix != "" {
		prefix, err := pglog.ParsePrefix(o.prefix)
		if err != nil {
			return nil, exitcode.With(exitcode.Usage, err)
		}
		server.Prefix = prefix
	}
	return []logparse.Detector{backend, server}, nil
}

// logsError marks an error of reading logs with its exit code.
func logsError(err error) error {
	return withMeaning(err, []meaning{
		{logparse.ErrUnreadable, exitcode.Insufficient},
		{applog.ErrPack, exitcode.Usage},
	})
}
