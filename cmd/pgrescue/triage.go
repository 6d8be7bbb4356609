package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// triageOptions are the flags of `triage`.
type triageOptions struct {
	sourceOptions
	logsOptions
	dsn      string
	dsnGiven bool
	// redisGiven: somebody named a Redis server.
	redisGiven bool
	logs       []string
	tables     []string
	backups    []string
	sources    []string
	outputs    string
	docker     string
	redis      string
	keys       string
}

func (o *triageOptions) addFlags(command *cobra.Command) {
	o.addDataDir(command)
	o.addCatalog(command)
	o.addTimeline(command)
	o.addReading(command)
	o.addWindow(command)
	flags := command.Flags()
	flags.StringArrayVar(&o.wal, "wal", nil, "WAL directory, segment or tar file, or an archive; may be repeated (default pg_wal of --pgdata)")
	flags.StringVar(&o.dsn, "dsn", "", "connection `string` of libpq, keywords or URI; '' is libpq's environment. Only catalogs and statistics are read")
	flags.StringArrayVar(&o.logs, "log", nil, "log of a server or a backend, or a folder of logs; may be repeated")
	flags.StringArrayVar(&o.backups, "backups", nil, "file or folder to look for backups in; may be repeated (default the folders in $PGRESCUE_BACKUPS, with colons between, else /backups, /var/backups and /tmp)")
	flags.StringArrayVar(&o.sources, "sources", nil, "file or folder that rows may have come from; may be repeated")
	flags.StringArrayVarP(&o.tables, "table", "t", nil, "rows of this table are missing: each transaction that took some is listed; may be repeated")
	flags.StringVar(&o.docker, "docker", "", "`socket` of a Docker engine to ask for containers and volumes (default $DOCKER_HOST, else /var/run/docker.sock, where it is there); none: ask nobody")
	flags.StringVar(&o.redis, "redis", "", "`URL` of a Redis server that has state of the application; '' is $REDIS_URL, which no list of processes shows")
	flags.StringVar(&o.keys, "redis-keys", "flow:*", "`pattern` of its keys")
	flags.StringVar(&o.outputs, "outputs", "", "`file` that lines NAME=VALUE are appended to, for a runbook to branch on: HURT, HYPOTHESIS, XID, XIDS, TABLES, SPREAD, WAL_COVERS, HEAP_COVERS, BACKUP_COVERS, BACKUP, SOURCES, PAYLOADS")
	flags.Lookup("since").Usage = "it happened at this `time` or later; with a zone"
	flags.Lookup("until").Usage = "it happened before this `time`; with a zone"
}

func newTriageCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options triageOptions
	command := &cobra.Command{
		Use:   "triage [--pgdata DIR] [--dsn STRING] [--wal PATH] [--log PATH] [--backups DIR] [--sources DIR]",
		Short: "What happened, which ways back are open and for how long, what to type next",
		Long: `Tell what happened, in seconds and by reading only. Give it whatever exists; it says what the rest
would add. First comes the question: rows, a table, or files? Each asks for the opposite first move.

Then come what destroyed something and was committed, by the WAL, and what logs say of it; what
may have happened, each with the evidence for and against, which is proven, supported, contradicted
or cannot be told; the ways back, each with whether it covers the loss, the rows that it is expected
to give and until when it is open; the backups that were found, by what is in them; and the next
commands to type.

A transaction is named when it stands out: it truncated or dropped a table, or took a large part of
one, as no others do. What is rolled back, what failed, what fills a table again or does what always
happens to it is not. Where nothing stands out, nothing is named; --table says from which
table rows are missing, and then each transaction that took rows of it is listed.

Of a server only catalogs and statistics are asked, for reading a hurt table destroys dead rows.`,
		Example: `  pgrescue triage --pgdata /copy/data
  pgrescue triage --pgdata /copy/data --log /copy/logs --zone backend.log=UTC --backups /backup --case incident
  pgrescue triage --dsn 'host=db dbname=shop' --backups /backups --backups /tmp
  pgrescue triage --pgdata /copy/data --table migration.assets --since "2026-11-26 08:00Z" --json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			options.dsnGiven, options.redisGiven = command.Flags().Changed("dsn"), command.Flags().Changed("redis")
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				run := &triageRun{options: &options, terminal: terminal, found: found, progress: &stages{terminal: terminal}}
				defer run.close()
				return run.run(ctx)
			})
		},
	}
	options.timed, options.goesOn = true, true
	options.addFlags(command)
	return command
}

// triageRun is one triage.
type triageRun struct {
	options  *triageOptions
	terminal *term.Terminal
	found    *recorder
	progress *stages
	sources  triage.Sources
	told     []evidence.Gap // those that were printed already, and are in the case
	gaps     []evidence.Gap // whole sources that could not be read
	failed   error          // the first of them
	looked   bool           // at something that could be read
	conn     *live.Conn
}

func (r *triageRun) close() {
	r.progress.end()
	if r.conn != nil {
		r.conn.Close()
	}
	if r.sources.Evidence != nil {
		r.sources.Evidence.Close()
	}
}

func (r *triageRun) run(ctx context.Context) error {
	o := r.options
	o.orOfCase(r.terminal, r.found) // with --dsn too: what was captured and what the server knows belong together
	if o.dataDir == "" && len(o.wal) == 0 && !o.dsnGiven && len(o.logs)+len(o.backups)+len(o.sources) == 0 {
		return exitcode.Usagef("name what exists: --pgdata, --wal, --dsn, --log, --backups, --sources", "triage: nothing is named to look at")
	}
	since, until, err := o.window()
	if err != nil {
		return err
	}
	r.sources.Asked = triage.Asked{Since: since, Until: until}
	for _, name := range o.tables {
		r.sources.Asked.Tables = append(r.sources.Asked.Tables, triage.NameOf(name))
	}
	facts, err := r.collect(ctx)
	if err != nil {
		return err
	}
	ev := r.sources.Evidence
	if ev == nil {
		ev = new(undelete.Evidence)
	}
	report, err := triage.Weigh(ctx, facts, ev.Archive)
	if err != nil {
		return libraryError(err)
	}
	r.progress.end()
	r.terminal.Gaps(facts.Gaps, shownGaps)
	if err := errors.Join(r.found.gaps(facts.Gaps), r.found.losses(facts, report), r.found.triage(facts, report)); err != nil {
		return err
	}
	if err := r.writeOutputs(facts, report); err != nil {
		return err
	}
	if r.terminal.JSON() {
		err = r.terminal.WriteJSON(triageOutput{report, facts.Backups, append(r.told, facts.Gaps...)}.whole())
	} else {
		err = printTriage(r.terminal, facts, report)
	}
	if err != nil {
		return err
	}
	return exitcode.PartialIf(len(r.told) + len(facts.Gaps))
}

// writeOutputs appends what a runbook branches on to the file of --outputs.
func (r *triageRun) writeOutputs(facts *triage.Facts, report *triage.Report) error {
	if r.options.outputs == "" {
		return nil
	}
	file, err := os.OpenFile(r.options.outputs, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return exitcode.Usagef("", "triage: --outputs: %w", err)
	}
	return errors.Join(triage.WriteOutputs(file, triage.Outputs(facts, report)), file.Close())
}

// collect reads each source that was named. One that cannot be read is a gap, as long as there is another.
func (r *triageRun) collect(ctx context.Context) (*triage.Facts, error) {
	o := r.options
	s := &r.sources
	var signs []triage.Sign
	s.Now, s.WALPaths, s.Trail, s.Progress = time.Now(), o.wal, r.found.Trail(), r.progress.begin
	s.Typed = triage.Typed{DSN: secrets.Text(o.dsn), Captured: o.captured}
	if r.found != nil {
		s.Typed.Case = r.found.file.Dir()
	}
	if o.dataDir != "" || len(o.wal) > 0 {
		ev, gaps, err := o.open(ctx, "triage", r.terminal, r.progress, r.found)
		if err := r.unread(ctx, "the data directory and its WAL", o.dataDir, err); err != nil {
			return nil, err
		}
		if s.Evidence = ev; ev == nil {
			s.Unread = o.dataDir
		}
		r.told = append(r.told, gaps...)
	}
	if o.dsnGiven {
		err := r.connect(ctx)
		if noFileAnswer(err) {
			signs = append(signs, triage.Sign{Kind: triage.SignNoFile, Text: live.Message(err), Where: "what the server says to whoever connects"})
		}
		if err := r.unread(ctx, "the server", "--dsn", err); err != nil {
			return nil, err
		}
	}
	if len(o.backups) > 0 {
		s.Backups, r.looked = &backups.Options{Paths: o.backups}, true
	} else {
		s.Backups = r.defaultBackups()
	}
	if engine := r.engine(); engine != nil {
		defer engine.Close()
		s.Engine, s.EngineAt = engine, engine.Socket()
	}
	facts, err := triage.Collect(ctx, *s)
	if err != nil {
		return nil, restoreError(err)
	}
	if facts.Signs = signs; len(signs) > 0 || facts.DataDir != nil && s.Evidence == nil { // that nothing opens is the finding
		r.looked = true
	}
	r.progress.end()
	if s.Card != nil && !facts.OtherCluster { // a case is of one cluster
		if err := r.found.asked(s.Card); err != nil {
			return nil, err
		}
	}
	if len(o.logs) > 0 {
		if err := r.unread(ctx, "the logs", shortList(o.logs), r.readLogs(ctx, facts)); err != nil {
			return nil, err
		}
	}
	if len(o.sources) > 0 {
		if err := r.unread(ctx, "the source files", shortList(o.sources), r.readSources(ctx, facts)); err != nil {
			return nil, err
		}
	}
	if err := r.readRedis(ctx, facts); err != nil {
		return nil, err
	}
	if !r.looked {
		return nil, r.failed
	}
	facts.Gaps = append(r.gaps, facts.Gaps...)
	return facts, nil
}

// unread takes note of a source that cannot be read. What the responder typed wrong, what was refused
// and an interruption end the triage.
func (r *triageRun) unread(ctx context.Context, what, where string, err error) error {
	if err == nil {
		r.looked = true
		return nil
	}
	switch code := exitcode.Of(err); {
	case ctx.Err() != nil, code == exitcode.Usage, code == exitcode.Refused, code == exitcode.Locked:
		return err
	}
	if r.failed == nil {
		r.failed = err
	}
	r.gaps = append(r.gaps, evidence.Gap{Where: where, What: what, Why: err.Error(), Consequence: "what it would tell is not known"})
	return nil
}

// triageTimeout bounds each statement: none of them takes long on a server that is well.
const triageTimeout = 15 * time.Second

// connect opens the session that asks the server.
func (r *triageRun) connect(ctx context.Context) error {
	conn, err := r.session(ctx, "")
	if err != nil {
		return restoreError(err)
	}
	r.conn = conn
	card, err := conn.Card(ctx)
	if err != nil {
		return restoreError(err)
	}
	r.sources.Server, r.sources.Card, r.sources.Open = conn, card, r.open
	return nil
}

// session opens a session; the database "" is the one that --dsn names.
func (r *triageRun) session(ctx context.Context, database string) (*live.Conn, error) {
	return live.Connect(ctx, r.options.dsn, live.Options{Command: "triage", Database: database, StatementTimeout: triageTimeout, LockTimeout: 2 * time.Second})
}

// open opens a session in another database of the server.
func (r *triageRun) open(ctx context.Context, database string) (triage.Asker, func(), error) {
	conn, err := r.session(ctx, database)
	if err != nil {
		return nil, nil, err
	}
	return conn, conn.Close, nil
}

// asked notes which server the command asked.
func (r *recorder) asked(card *live.Card) error {
	if r == nil {
		return nil
	}
	if card.SystemIdentifier != 0 {
		if err := r.run.Cluster(card.SystemIdentifier, card.Major(), card.Database); err != nil {
			return libraryError(err)
		}
	}
	return libraryError(r.run.Evidence(casefile.File{Path: card.Place(), Kind: casefile.KindServer, How: "catalogs and statistics, through SQL"}))
}

// losses gives the transactions that a triage names to the case's timeline.
func (r *recorder) losses(facts *triage.Facts, report *triage.Report) error {
	if r == nil || facts.WAL == nil {
		return nil
	}
	for i := range report.Losses {
		for j := range facts.WAL.Transactions {
			tx := &facts.WAL.Transactions[j]
			if tx.XID != report.Losses[i].XID || tx.EndLSN != report.Losses[i].EndLSN {
				continue
			}
			if err := r.ended(tx, didWhat(&transactionLine{Tables: tx.Tables, RemovedTables: tx.Removed}), tx); err != nil {
				return err
			}
		}
	}
	return nil
}
