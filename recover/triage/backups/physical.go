package backups

import (
	"archive/tar"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// cluster takes a data directory: a base backup with its label, or a copy of one.
func (f *finder) cluster(path string, labelled bool) {
	b := Backup{Path: path, Kind: DataDir, Format: "folder", Server: strings.TrimSpace(f.small(filepath.Join(path, "PG_VERSION")))}
	control, err := catalog.ReadControl(heap.DataDir{Path: path, Trail: f.options.Trail})
	if err != nil {
		b.Broken = "its pg_control: " + cause(err)
	} else {
		b.SystemIdentifier, b.LSN, b.Ended = control.SystemIdentifier, control.Redo, control.CheckpointTime
	}
	if labelled {
		b.Kind, b.Ended = Base, time.Time{}
		b.label(f.small(filepath.Join(path, "backup_label")))
		if b.Begun.IsZero() && control != nil {
			b.Begun = control.CheckpointTime
		}
	} else if pid, alive, err := catalog.RunningServer(path); err == nil && alive {
		b.Label = "a server works on it, with process id " + strconv.Itoa(pid)
		b.Ended = time.Time{} // it is as new as now
	}
	f.found = append(f.found, b)
}

// labelLine is a line of backup_label (xlog.c).
var labelLine = regexp.MustCompile(`(?m)^([A-Z ]+): (.*)$`)

// ReadLabel reads a backup_label: where the backup's WAL begins, when it was begun, and its label.
func ReadLabel(text string) Backup {
	var b Backup
	b.label(text)
	return b
}

// label takes what a backup_label says. Its time is that of the server's log_timezone.
func (b *Backup) label(text string) {
	for _, match := range labelLine.FindAllStringSubmatch(text, -1) {
		switch match[1] {
		case "START WAL LOCATION":
			first, _, _ := strings.Cut(match[2], " ")
			if lsn, err := pg.ParseLSN(first); err == nil {
				b.LSN = lsn
			}
		case "START TIME":
			clock, zone := match[2], ""
			if len(clock) > 19 {
				clock, zone = clock[:19], strings.TrimSpace(clock[19:])
			}
			if at, err := time.Parse(time.DateTime, clock); err == nil {
				b.Begun, b.ZoneUnknown = at, zone != "UTC" && zone != "GMT" && zone != "Etc"
			}
		case "LABEL":
			b.Label = match[2]
		}
	}
}

// tarBase takes a folder of tar files with a backup_manifest.
func (f *finder) tarBase(path string, entries []fs.DirEntry) {
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "base.tar") {
			if info, err := entry.Info(); err == nil {
				f.file(filepath.Join(path, entry.Name()), info)
			}
		}
	}
}

// readTar takes a tar file that is a base backup or an archive of pg_dump, by its first members.
func readTar(r io.Reader, b *Backup) bool {
	members := tar.NewReader(r)
	for range 4 {
		header, err := members.Next()
		if err != nil {
			return b.Kind != ""
		}
		switch strings.TrimPrefix(header.Name, "./") {
		case "toc.dat":
			b.Kind, b.Format = Archive, "tar"
			if err := readArchive(members, b); err != nil {
				b.Broken = err.Error()
			}
			return true
		case "backup_label":
			text, _ := io.ReadAll(io.LimitReader(members, 64<<10))
			b.Kind, b.Format = Base, "tar"
			b.label(string(text))
			return true
		}
	}
	return false
}

// pgBackRest takes a repository by the backup.info of each stanza, which lists the backups as JSON.
func (f *finder) pgBackRest(path string) bool {
	stanzas, _ := filepath.Glob(filepath.Join(path, "backup", "*", "backup.info"))
	for _, info := range stanzas {
		stanza := filepath.Base(filepath.Dir(info))
		section, first := "", len(f.found)
		systems := make(map[uint64]uint64)
		for line := range strings.Lines(f.small(info)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "[") {
				section = line
				continue
			}
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				continue
			}
			switch section {
			case "[db:history]":
				var db struct {
					System uint64 `json:"db-system-id"`
				}
				if number, err := strconv.ParseUint(key, 10, 64); err == nil && json.Unmarshal([]byte(value), &db) == nil {
					systems[number] = db.System
				}
			case "[backup:current]":
				f.pgBackRestBackup(path, stanza, key, value)
			}
		}
		for i := first; i < len(f.found); i++ { // the history stands behind the list
			f.found[i].SystemIdentifier = systems[f.found[i].SystemIdentifier]
		}
	}
	return len(stanzas) > 0
}

func (f *finder) pgBackRestBackup(path, stanza, label, value string) {
	var info struct {
		Start  int64  `json:"backup-timestamp-start"`
		Stop   int64  `json:"backup-timestamp-stop"`
		Type   string `json:"backup-type"`
		DB     uint64 `json:"db-id"`
		Size   int64  `json:"backup-info-size"`
		LSN    string `json:"backup-lsn-start"`
		Error  bool   `json:"backup-error"`
		Format int    `json:"backrest-format"`
	}
	b := Backup{Path: path, Kind: PgBackRest, Label: stanza + " " + label}
	if err := json.Unmarshal([]byte(value), &info); err != nil {
		b.Broken = "its line in backup.info cannot be read"
	}
	if b.Format = info.Type; info.Error {
		b.Broken = "pages of it had wrong checksums"
	}
	b.SystemIdentifier, b.Bytes = info.DB, info.Size // the number of the cluster, until the history is read
	if info.Start > 0 {
		b.Begun = time.Unix(info.Start, 0).UTC()
	}
	if info.Stop > 0 {
		b.Ended = time.Unix(info.Stop, 0).UTC()
	}
	if lsn, err := pg.ParseLSN(info.LSN); err == nil {
		b.LSN = lsn
	}
	f.found = append(f.found, b)
}

// barman takes the folder of a server by the backup.info of each backup.
func (f *finder) barman(path string) bool {
	infos, _ := filepath.Glob(filepath.Join(path, "base", "*", "backup.info"))
	for _, info := range infos {
		b := Backup{Path: filepath.Dir(info), Kind: Barman, Label: filepath.Base(filepath.Dir(info))}
		status := ""
		for line := range strings.Lines(f.small(info)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch value = strings.Trim(value, "'"); key {
			case "begin_time":
				b.Begun = barmanTime(value)
			case "end_time":
				b.Ended = barmanTime(value)
			case "begin_xlog":
				b.LSN, _ = pg.ParseLSN(value)
			case "systemid":
				b.SystemIdentifier, _ = strconv.ParseUint(value, 10, 64)
			case "size":
				b.Bytes, _ = strconv.ParseInt(value, 10, 64)
			case "version":
				b.Server = value
			case "mode":
				b.Format = value
			case "status":
				status = value
			}
		}
		if status != "DONE" && status != "WAITING_FOR_WALS" {
			b.Broken = "its status is " + status
		}
		f.found = append(f.found, b)
	}
	return len(infos) > 0
}

func barmanTime(text string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07:00", "2006-01-02 15:04:05.999999Z07:00", "Mon Jan 2 15:04:05 2006"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// walG takes a repository by the sentinel that WAL-G writes when a backup is whole.
func (f *finder) walG(path string, entries []fs.DirEntry) {
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "basebackups_") {
			continue
		}
		sentinels, _ := filepath.Glob(filepath.Join(path, entry.Name(), "*_backup_stop_sentinel.json"))
		for _, sentinel := range sentinels {
			f.walGBackup(path, sentinel)
		}
	}
}

func (f *finder) walGBackup(path, sentinel string) {
	name := strings.TrimSuffix(filepath.Base(sentinel), "_backup_stop_sentinel.json")
	b := Backup{Path: path, Kind: WALG, Label: name}
	var said struct {
		LSN     uint64 `json:"LSN"`
		Version int    `json:"PgVersion"`
		System  uint64 `json:"SystemIdentifier"`
		Size    int64  `json:"CompressedSize"`
	}
	var times struct {
		Start  time.Time `json:"start_time"`
		Finish time.Time `json:"finish_time"`
	}
	if err := json.Unmarshal([]byte(f.small(sentinel)), &said); err != nil {
		b.Broken = "its sentinel cannot be read"
	}
	b.LSN, b.SystemIdentifier, b.Bytes = pg.LSN(said.LSN), said.System, said.Size
	if said.Version > 0 {
		b.Server = strconv.Itoa(said.Version / 10000)
	}
	metadata := filepath.Join(filepath.Dir(sentinel), name, "metadata.json")
	if text := f.small(metadata); text != "" && json.Unmarshal([]byte(text), &times) == nil {
		b.Begun, b.Ended = times.Start.UTC(), times.Finish.UTC()
	}
	if info, err := os.Stat(sentinel); err == nil {
		b.Modified = info.ModTime().UTC()
	}
	f.found = append(f.found, b)
}
