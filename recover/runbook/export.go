package runbook

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// Moment is a line of a run's timeline. The first three names are those that
// timesketch wants.
type Moment struct {
	Message       string    `json:"message"`
	Datetime      string    `json:"datetime"`
	TimestampDesc string    `json:"timestamp_desc"`
	Source        string    `json:"source"`
	Ref           string    `json:"ref"` // the line of the journal
	Actor         string    `json:"actor,omitempty"`
	Host          string    `json:"host,omitempty"`
	Step          string    `json:"step,omitempty"`
	State         StepState `json:"state,omitempty"`
	ExitCode      *int      `json:"exit_code,omitempty"`
}

// ExportTimeline writes what happened in a run, one moment a line.
func ExportTimeline(folder string, w io.Writer) error {
	if _, err := openFolder(folder); err != nil {
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	who, host := "", ""
	_, err := journal.Read(filepath.Join(folder, journalName), func(n int64, text []byte, _ string) error {
		var line Line
		if err := json.Unmarshal(text, &line); err != nil {
			return nil // status says so
		}
		if line.Who != "" {
			who, host = line.Who, line.Host
		}
		return encoder.Encode(Moment{
			Message: line.message(), Datetime: line.Time, TimestampDesc: "runbook " + string(line.Event), Source: "runbook",
			Ref: fmt.Sprintf("%s#%d", journalName, n), Actor: who, Host: host, Step: line.Step, State: line.State, ExitCode: line.ExitCode,
		})
	})
	return err
}

// message says a line of the journal in words.
func (l Line) message() string {
	switch l.Event {
	case LineRun:
		return "the run begins"
	case LineResume:
		return "the run is resumed"
	case LineStep:
		return "step " + l.Step + " begins"
	case LineBlock:
		return fmt.Sprintf("%s block of line %d begins", l.Role, l.Block)
	case LineBlockEnd:
		if l.ExitCode == nil {
			return fmt.Sprintf("%s block of line %d was stopped%s", l.Role, l.Block, noted(l.Note))
		}
		return fmt.Sprintf("%s block of line %d ended with exit code %d%s", l.Role, l.Block, *l.ExitCode, noted(l.Note))
	case LineAnswer:
		return fmt.Sprintf("asked: %s; answered: %s%s", l.Question, l.Answer, noted(l.Note))
	case LineStepEnd:
		return fmt.Sprintf("step %s: %s%s", l.Step, l.State, noted(l.Reason))
	case LineUndo:
		return "step " + l.Step + " is to be undone"
	}
	return string(l.Event) + noted(l.Reason)
}

// ExportArchive writes the folder of a run as a tar file, compressed with gzip, without
// what only a run in progress needs: locks, and outputs as blocks gave them, which
// may hold secrets.
func ExportArchive(folder string, w io.Writer) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if _, err := openFolder(folder); err != nil {
		return err
	}
	packed := gzip.NewWriter(w)
	archive := tar.NewWriter(packed)
	var sums bytes.Buffer
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || !exported(filepath.ToSlash(name)) {
			return err
		}
		sum, err := addFile(archive, path, filepath.Base(folder)+"/"+filepath.ToSlash(name))
		fmt.Fprintf(&sums, "%x  %s\n", sum, filepath.ToSlash(name))
		return err
	})
	if err == nil {
		err = archive.WriteHeader(&tar.Header{Name: filepath.Base(folder) + "/" + manifestName, Mode: 0o600, Size: int64(sums.Len())})
	}
	if err == nil {
		_, err = archive.Write(sums.Bytes())
	}
	return errors.Join(err, archive.Close(), packed.Close())
}

// exported reports whether a file of a run goes into its archive. The manifest is made
// anew, for what is there.
func exported(name string) bool {
	base := filepath.Base(name)
	if name == lockName || name == manifestName || strings.HasPrefix(name, ".") {
		return false
	}
	return !strings.HasPrefix(name, stepsName+"/") || base != outName && base != pidName
}

func addFile(archive *tar.Writer, path, name string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return nil, err
	}
	digest := newDigest()
	_, err = io.Copy(io.MultiWriter(archive, digest), io.LimitReader(file, info.Size()))
	return digest.Sum(nil), err
}
