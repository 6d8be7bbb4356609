package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/heap/carve"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// heapScanOptions are the flags of `heap scan`.
type heapScanOptions struct {
	sourceOptions
	rowsOptions
	like     string
	columns  string
	encoding string
	tuples   string
	step     int
	limit    int
	exact    bool
}

func (o *heapScanOptions) addFlags(command *cobra.Command) {
	o.addDataDir(command)
	o.addCatalog(command)
	o.rowsOptions.addFlags(command, "copy")
	flags := command.Flags()
	flags.StringVar(&o.like, "like", "", "decode the rows of pages that fit this table of the catalog, as schema.name")
	flags.StringVar(&o.columns, "columns", "", `decode the rows of pages that fit these columns, such as "id uuid, name text, price numeric(10,2)"`)
	flags.StringVar(&o.encoding, "encoding", "UTF8", "the database's encoding, for --columns")
	flags.BoolVar(&o.exact, "exact", false, "leave out tuples with fewer columns than --like or --columns have")
	flags.StringVar(&o.tuples, "tuples", "live", "live, dead or all; those whose fate is not known always come, with a note")
	flags.IntVar(&o.step, "step", carve.DefaultStep, "a page may begin at every multiple of so many bytes: a power of two from 8 to 8192")
	flags.IntVar(&o.limit, "limit", 50, "groups to print; 0 is all")
}

func newHeapScanCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options heapScanOptions
	command := &cobra.Command{
		Use:   "scan --pgdata DIR | FILE…",
		Short: "Find tables without a catalog, in relation files or in the image of a disk",
		Long: `Look through relation files whose catalog is gone, or through raw images of a disk
or a volume, for pages with tuples: the last resort after DROP TABLE or a lost volume.
Pages are known by their header, their line pointers and their tuples, at every
multiple of --step bytes; files of any size are read once, in constant memory.

Without --like or --columns the result is a table of what was found: groups of
pages whose tuples have the same shape, and the tables of the catalog (--pgdata or
--catalog) that they fit. With one of them the rows are decoded. Values out of line
are put together from chunks found in the same files; that takes a second pass.

The bytes of such a row are the database's own. That it is a row of this table is
not known: another table of the same shape looks the same. Its note in JSON Lines says
so, with the file and the byte where its page lies. The same page found twice is given
once; different versions of a page give their rows each, with the page's LSN.

A row may have fewer columns than the table, when it is older than the last ones. But
a row of another table may look like that too: such rows are counted apart, and
--exact leaves them out. The table itself may be a dropped one: its columns come from
dead rows of the catalogs, or from the WAL in pg_wal.`,
		Example: `  pgrescue heap scan --pgdata /copy/data
  pgrescue heap scan /evidence/disk.img --catalog catalog.json --like public.orders > orders.copy
  pgrescue heap scan /evidence/disk.img --columns "id uuid, name text, price numeric(10,2)" --format jsonl`,
		RunE: func(command *cobra.Command, args []string) error {
			for _, name := range []string{"columns", "like"} {
				if flag := command.Flags().Lookup(name); flag.Changed && strings.TrimSpace(flag.Value.String()) == "" {
					return exitcode.Usagef(`write --columns "id uuid, name text", or --like SCHEMA.NAME`, "heap scan: --%s is empty", name)
				}
			}
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runHeapScan(ctx, &options, args, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

// check refuses flags that do not go together.
func (o *heapScanOptions) check(files []string) error {
	switch {
	case len(files) == 0 && o.dataDir == "":
		return exitcode.Usagef("name files, such as the image of a disk, or a data directory with --pgdata", "heap scan: nothing to scan is named")
	case o.like != "" && o.columns != "":
		return exitcode.Usagef("a shape is one or the other", "--like and --columns exclude each other")
	case o.like != "" && o.dataDir == "" && o.catalogFile == "":
		return exitcode.Usagef("add --catalog FILE or --pgdata DIR, or write the columns with --columns", "--like %s needs a catalog", o.like)
	case o.exact && o.like == "" && o.columns == "":
		return exitcode.Usagef("add --like or --columns", "--exact needs a shape to compare with")
	case o.step < 8 || o.step > pg.BlockSize || o.step&(o.step-1) != 0:
		return exitcode.Usagef("a file system puts pages at multiples of 4096, a disk at multiples of 512", "--step %d is not a power of two from 8 to %d", o.step, pg.BlockSize)
	}
	_, err := o.want()
	return err
}

func (o *heapScanOptions) want() (carve.Want, error) {
	switch o.tuples {
	case "live":
		return carve.WantLive, nil
	case "dead":
		return carve.WantDead, nil
	case "all":
		return carve.WantAll, nil
	}
	return 0, exitcode.Usagef("choose live, dead or all", "--tuples %q is not known", o.tuples)
}

// sources lists what to look through: the files named, or else those of the data directory.
func (o *heapScanOptions) sources(files []string, spaces map[pg.OID]string) ([]carve.Source, []evidence.Gap, error) {
	if len(files) == 0 {
		return carve.DataDir(heap.DataDir{Path: o.dataDir, Tablespaces: spaces})
	}
	var sources []carve.Source
	for _, file := range files {
		source, err := carve.File(file)
		if err != nil {
			return nil, nil, libraryError(err)
		}
		sources = append(sources, source)
	}
	return sources, nil, nil
}

// openCatalogs opens the catalogs where there are any. In a data directory without
// them the files can be scanned all the same.
func (s *heapScan) openCatalogs(ctx context.Context, spaces map[pg.OID]string) error {
	o := s.options
	if o.dataDir == "" && o.catalogFile == "" {
		return nil
	}
	sources := undelete.Sources{CatalogFile: o.catalogFile, Databases: o.databases, Progress: s.progress.begin, Trail: s.found.Trail(), Room: "heap scan"}
	if o.catalogFile == "" {
		sources.DataDir, sources.WAL, sources.Tablespaces = o.dataDir, o.wal, spaces
	}
	ev, gaps, err := undelete.Open(ctx, sources)
	s.progress.end()
	if err != nil {
		if ctx.Err() != nil || o.like != "" || o.catalogFile != "" {
			return libraryError(err)
		}
		s.terminal.Warnf("the catalogs cannot be read, so no table has a name: %v", err)
		return nil
	}
	s.terminal.Gaps(gaps, shownGaps)
	if err := o.history(ctx, ev); err != nil {
		return errors.Join(libraryError(err), ev.Close())
	}
	s.progress.end()
	s.snapshot, s.gaps = ev.Snapshot, s.gaps+len(gaps)
	return errors.Join(s.found.opened(ev, gaps), ev.Close())
}

// history looks into the WAL for a dropped table, when the catalogs do not know the
// one that is named.
func (o *heapScanOptions) history(ctx context.Context, ev *undelete.Evidence) error {
	if o.like == "" {
		return nil
	}
	if _, err := target(ev.Snapshot, o.like); !errors.Is(err, catalog.ErrNotFound) {
		return nil // it is there, or what is wrong is said when it is used
	}
	return ev.ReadHistory(ctx, 0)
}

func runHeapScan(ctx context.Context, options *heapScanOptions, files []string, terminal *term.Terminal, found *recorder) error {
	if len(files) == 0 {
		options.orOfCase(terminal, found)
	}
	if err := options.check(files); err != nil {
		return err
	}
	format, err := options.resolve(terminal)
	if err != nil {
		return err
	}
	spaces, err := options.tablespaceMap()
	if err != nil {
		return err
	}
	sources, gaps, err := options.sources(files, spaces)
	if err != nil {
		return err
	}
	terminal.Gaps(gaps, shownGaps)
	if err := found.gaps(gaps); err != nil {
		return err
	}
	scan := heapScan{terminal: terminal, options: options, sources: sources, progress: &stages{terminal: terminal}, gaps: len(gaps), found: found}
	if err := scan.openCatalogs(ctx, spaces); err != nil {
		return err
	}
	if len(files) == 0 {
		if log, err := (heap.DataDir{Path: options.dataDir, Trail: found.Trail()}).OpenXactLog(); err == nil {
			scan.status = log.Status
		}
	}
	if options.like == "" && options.columns == "" {
		return scan.survey(ctx)
	}
	return scan.rows(ctx, format)
}

// heapScan is one run of the command.
type heapScan struct {
	terminal *term.Terminal
	options  *heapScanOptions
	sources  []carve.Source
	snapshot *catalog.Snapshot            // nil: no catalog
	status   func(pg.XID) heap.XactStatus // nil: no pg_xact of these files
	progress *stages
	gaps     int // in what was opened
	found    *recorder
}

func (s *heapScan) carveOptions() carve.Options {
	return carve.Options{Trail: s.found.Trail(), Step: s.options.step, Progress: s.progress.begin}
}

// nothing is the error of a scan that found no such page.
func (s *heapScan) nothing(hint string) error {
	return exitcode.With(exitcode.Insufficient, exitcode.Hinted(fmt.Errorf("heap scan: %w", carve.ErrNoPages), hint))
}

// survey prints the groups of pages.
func (s *heapScan) survey(ctx context.Context) error {
	var fitter *carve.Fitter
	if s.snapshot != nil {
		fitter = carve.NewFitter(s.snapshot)
	}
	survey, err := carve.Look(ctx, s.sources, s.carveOptions(), fitter, s.status)
	s.progress.end()
	if err != nil {
		return err
	}
	if err := s.found.gaps(survey.Gaps); err != nil {
		return err
	}
	survey.Groups, survey.Gaps = noNil(survey.Groups), noNil(survey.Gaps)
	if s.terminal.JSON() {
		err = s.terminal.WriteJSON(survey)
	} else {
		err = s.print(survey)
	}
	if err != nil {
		return err
	}
	s.terminal.Gaps(survey.Gaps, shownGaps)
	if survey.HeapPages == 0 {
		return s.nothing("pages of other sizes than 8 KiB, encrypted and compressed ones are not found; --step 8 looks at more places")
	}
	return exitcode.PartialIf(s.gaps + len(survey.Gaps))
}

func (s *heapScan) print(survey *carve.Survey) error {
	table := term.NewTable("FILE", "SHAPE", ">PAGES", ">TUPLES", ">LIVE", ">DEAD", ">?", "TABLE")
	for i := range survey.Groups {
		g := &survey.Groups[i]
		table.Add(s.short(g.Source), g.Shape, term.Count(g.Pages), term.Count(g.Tuples), term.Count(g.Live), term.Count(g.Dead),
			term.Count(g.Undecided), tableOf(g))
	}
	if s.options.limit > 0 {
		table.Keep(s.options.limit, false)
	}
	if err := table.Write(s.terminal.Out, ""); err != nil {
		return err
	}
	if more := len(survey.Groups) - table.Len(); more > 0 {
		if err := s.terminal.Printf("and %s; --limit 0 shows all\n", term.Plural(int64(more), "more group", "more groups")); err != nil {
			return err
		}
	}
	return s.terminal.Printf("\n%s with tuples; also %s empty, %s of indexes, %s of sequences, %s met before and left out\n",
		term.Plural(survey.HeapPages, "page", "pages"), term.Count(survey.Empty), term.Count(survey.Index), term.Count(survey.Sequences), term.Count(survey.Copies))
}

// short is a file's path below the data directory.
func (s *heapScan) short(path string) string {
	return strings.TrimPrefix(path, strings.TrimSuffix(s.options.dataDir, "/")+"/")
}

// shownFits is how many tables are named that a group fits.
const shownFits = 3

// tableOf says which table a group is of, or could be of.
func tableOf(g *carve.Group) string {
	switch {
	case len(g.Fits) > shownFits:
		return fmt.Sprintf("fits %s and %d more", strings.Join(g.Fits[:shownFits], ", "), len(g.Fits)-shownFits)
	case len(g.Fits) > 0:
		return "fits " + strings.Join(g.Fits, ", ")
	}
	return g.Belongs
}

// shape is what --like or --columns say, and the table that --like names.
func (s *heapScan) shape() (*carve.Shape, error) {
	if s.options.columns != "" {
		shape, err := carve.ParseColumns(s.options.columns, s.options.encoding)
		if errors.Is(err, carve.ErrColumns) {
			return nil, exitcode.With(exitcode.Usage, exitcode.Hinted(err, `write it as in CREATE TABLE, without constraints: --columns "id uuid, name text"`))
		}
		return shape, err
	}
	table, err := target(s.snapshot, s.options.like)
	if err != nil {
		return nil, libraryError(err)
	}
	if by := table.Relation.DroppedBy; by != pg.InvalidXID {
		s.terminal.Infof("%s was dropped by transaction %d", table.Relation.QualifiedName(), by)
	}
	return carve.NewShape(table.Database, table.Relation), nil
}

// rows decodes the pages that fit the shape.
func (s *heapScan) rows(ctx context.Context, format evidence.Format) error {
	shape, err := s.shape()
	if err != nil {
		return err
	}
	want, err := s.options.want()
	if err != nil {
		return err
	}
	printer, err := newRowPrinter(s.terminal, format)
	if err != nil {
		return err
	}
	opts := carve.RowsOptions{Options: s.carveOptions(), Want: want, Status: s.status, Exact: s.options.exact}
	if s.options.like != "" {
		opts.Belongs = func(src *carve.Source) bool { return src.File.Relation != 0 && src.File == shape.Relation.File }
	}
	sink, err := s.recorded(printer)
	if err != nil {
		return err
	}
	result, err := carve.Rows(ctx, s.sources, shape, opts, sink)
	s.progress.end()
	if err == nil {
		err = s.found.gaps(result.Gaps)
	}
	if err != nil {
		return err
	}
	if err := printer.close(s.terminal); err != nil {
		return err
	}
	return s.tell(result)
}

// recorded gives the rows to the case too, when a table of the catalog was named.
// There they are derived: that they are rows of this table is not known.
func (s *heapScan) recorded(printer evidence.Sink) (evidence.Sink, error) {
	if s.found == nil || s.options.like == "" {
		return printer, nil
	}
	table, err := target(s.snapshot, s.options.like)
	if err != nil {
		return nil, libraryError(err)
	}
	kept, err := s.found.rows(table, nil)
	if err != nil {
		return nil, err
	}
	return evidence.SinkFunc(func(row *evidence.Row) error {
		doubtful := *row
		doubtful.Confidence = evidence.Derived
		if err := kept.Put(&doubtful); err != nil {
			return err
		}
		return printer.Put(row)
	}), nil
}

// tell says on stderr what the rows are and what is not among them, and gives the exit code.
func (s *heapScan) tell(result *carve.RowsResult) error {
	s.terminal.Gaps(result.Gaps, shownGaps)
	s.terminal.Infof("%s on %s that fit; %s with tuples do not, %s met before; left out: %s of another fate",
		term.Plural(result.Rows, "row", "rows"), term.Plural(result.Pages, "page", "pages"), term.Plural(result.Other, "page", "pages"),
		term.Count(result.Copies), term.Plural(result.LeftOut, "tuple", "tuples"))
	if result.Undecided > 0 {
		s.terminal.Warnf("%s: whether committed or deleted is not known; --format jsonl says which", term.Plural(result.Undecided, "row", "rows"))
	}
	if result.Narrow > 0 {
		s.terminal.Warnf("%s fewer columns than the table: older than its last columns, or another table's",
			term.Plural(result.Narrow, "of these rows has", "of these rows have"))
		s.terminal.Hintf("--exact leaves them out; --format jsonl notes which they are")
	}
	if result.NarrowLeftOut > 0 {
		s.terminal.Infof("left out: %s with fewer columns", term.Plural(result.NarrowLeftOut, "tuple", "tuples"))
	}
	if hurt := result.Unsound + result.BadLines; hurt > 0 {
		s.terminal.Warnf("%s on pages that fit cannot be read as such rows", term.Plural(hurt, "tuple", "tuples"))
	}
	if result.Pages == 0 {
		return s.nothing("without --like and --columns, heap scan lists the shapes that are there")
	}
	gaps := s.gaps + len(result.Gaps)
	if result.InPart+result.Unsound+result.BadLines > 0 {
		gaps++
	}
	return exitcode.PartialIf(gaps)
}
