package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/testdata"
)

// writeIncident writes the archive and the truth, and then starts the cluster
// again to see that the doomed rows are gone. That comes last, as it prunes.
func writeIncident(c *cluster.Cluster, truth *testdata.Truth, backend, out string, log io.Writer) error {
	path := filepath.Join(out, testdata.IncidentArchive)
	if err := writeArchive(path, c, truth, backend); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(truth, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, testdata.IncidentTruth), append(text, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(log, "wrote %s, %d bytes\n", path, info.Size())
	return checkGone(c)
}

// checkGone starts the cluster again and counts what the cleanup should have taken.
func checkGone(c *cluster.Cluster) error {
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		return err
	}
	for _, a := range append(firstRun(), retry(), leftovers()) {
		for _, d := range a.dooms {
			if d.operation != "delete" {
				continue
			}
			left, err := c.Value(ctx, database, "SELECT count(*) FROM migration."+d.table+" WHERE "+d.where)
			if err != nil {
				return err
			}
			if left != "0" {
				return fmt.Errorf("%s left %s rows of %s", a.label, left, d.table)
			}
		}
	}
	return c.Stop(ctx, cluster.Fast)
}

// writeArchive packs the parts of the data directory that recovery reads, and the logs.
func writeArchive(path string, c *cluster.Cluster, truth *testdata.Truth, backend string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	packed, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(32<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	// One time for all files: the end of the last transaction, rounded.
	ends := truth.Transactions[len(truth.Transactions)-1].EndTime.Truncate(time.Second)
	pack := &packer{tar: tar.NewWriter(packed), time: ends}
	if err := pack.folder(c.DataDir(), truth); err != nil {
		return err
	}
	server, err := os.ReadFile(filepath.Join(c.DataDir(), "log", "postgresql.log"))
	if err != nil {
		return err
	}
	// The socket lay in a folder of the machine that the incident was made on.
	server = bytes.ReplaceAll(server, []byte(filepath.Join(c.Dir(), "run")), []byte("/var/run/postgresql"))
	if err := errors.Join(pack.file("logs/postgresql.log", server), pack.file("logs/backend.log", []byte(backend))); err != nil {
		return err
	}
	if err := pack.tar.Close(); err != nil {
		return err
	}
	return packed.Close()
}

type packer struct {
	tar  *tar.Writer
	time time.Time
}

func (p *packer) folder(dataDir string, truth *testdata.Truth) error {
	err := filepath.WalkDir(dataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dataDir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if !wanted(rel, entry.IsDir(), truth) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "data/" + strings.TrimPrefix(rel+"/", "./"), Mode: 0o755, ModTime: p.time})
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return p.file("data/"+rel, content)
	})
	if err != nil {
		return err
	}
	return p.file("data/postgresql.conf", []byte(configuration()))
}

func (p *packer) file(name string, content []byte) error {
	if err := p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: p.time}); err != nil {
		return err
	}
	_, err := p.tar.Write(content)
	return err
}

// wanted says what of the data directory goes into the archive: no template
// databases, no forks but the main one, nothing of the machine it was made on.
func wanted(rel string, folder bool, truth *testdata.Truth) bool {
	database := strconv.FormatUint(uint64(truth.DatabaseOID), 10)
	parts := strings.Split(rel, "/")
	switch parts[0] {
	case ".", "PG_VERSION", "pg_tblspc", "pg_xact", "pg_multixact", "pg_subtrans":
		return true
	case "pg_wal":
		return len(parts) == 1 || !folder
	case "base":
		return len(parts) == 1 || (parts[1] == database || parts[1] == postgresDatabase) && wantedRelation(rel)
	case "global":
		return wantedRelation(rel)
	}
	return false
}

// postgresDatabase is the folder of the database that initdb makes for people
// (PostgresDbOid in catalog/pg_database.dat).
const postgresDatabase = "5"

func wantedRelation(rel string) bool {
	return !slices.ContainsFunc([]string{"_fsm", "_vm", "pg_internal.init"}, func(ending string) bool { return strings.HasSuffix(rel, ending) })
}

// configuration is a postgresql.conf with the settings that a reader of the
// evidence may want to know.
func configuration() string {
	var lines []string
	for name, value := range serverSettings() {
		lines = append(lines, name+" = '"+value+"'")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}
