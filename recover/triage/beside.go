package triage

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/containers"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/rediskeys"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// Engine tells of containers and volumes.
type Engine interface {
	Containers(ctx context.Context) ([]containers.Container, error)
	Volumes(ctx context.Context) ([]containers.Volume, error)
}

// KeyStore tells of the keys of a Redis server.
type KeyStore interface {
	Keys(ctx context.Context, pattern string, each func(rediskeys.Key) error) error
	Text(ctx context.Context, name string, most int64) (text []byte, ok bool, err error)
}

// Keys are what a Redis server has of an application's state.
type Keys struct {
	Where   string
	Pattern string
	Count   int64
	Expire  int64     // of them
	First   time.Time // when the first of those goes
	Last    time.Time // when the last of those goes
	Rows    int64     // in states that could be read, as JSON with a list raw_data; -1: none could
}

const (
	// mostRead bounds how many keys are looked into, and longestState how much of each.
	mostRead     = 200
	longestState = 16 << 20
)

// ReadKeys lists the keys of a pattern, and counts the rows in those that hold an application's state.
func ReadKeys(ctx context.Context, store KeyStore, where, pattern string, now time.Time) (*Keys, error) {
	k := &Keys{Where: where, Pattern: pattern, Rows: -1}
	var states []string
	err := store.Keys(ctx, pattern, func(key rediskeys.Key) error {
		if k.Count++; key.Expires() {
			at := now.Add(key.TTL)
			if k.Expire++; k.First.IsZero() || at.Before(k.First) {
				k.First = at
			}
			if at.After(k.Last) {
				k.Last = at
			}
		}
		if key.Type == "string" && len(states) < mostRead {
			states = append(states, key.Name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range states {
		text, ok, err := store.Text(ctx, name, longestState)
		if err != nil {
			return nil, err
		}
		if n, has := rowsIn(text); ok && has {
			k.Rows = max(k.Rows, 0) + n
		}
	}
	return k, nil
}

// rowsIn counts the rows of a state, which has them in a list raw_data.
func rowsIn(text []byte) (n int64, has bool) {
	var state struct {
		RawData []json.RawMessage `json:"raw_data"`
	}
	if json.Unmarshal(text, &state) != nil || state.RawData == nil {
		return 0, false
	}
	return int64(len(state.RawData)), true
}

// redisRoute: the state that an application keeps in Redis for a while.
func (w *weigher) redisRoute() Route {
	k := w.Keys
	r := Route{Name: "redis", Covers: CoversUnknown, Rows: k.Rows, Why: fmt.Sprintf("%s has %s that fit %s", k.Where, counted(k.Count, "key"), k.Pattern)}
	switch {
	case k.Count == 0:
		r.Covers, r.Rows = CoversNo, -1
		return r
	case k.Rows >= 0:
		r.Covers = CoversPart
		r.Why += fmt.Sprintf(", and states among them hold %s of imports; which of those are lost, only their content tells", counted(k.Rows, "row"))
	default:
		r.Why += "; what they hold is not plain JSON with rows"
	}
	r.Expiry = Expiry{Text: "they stay until somebody removes them, or Redis needs the memory"}
	if k.Expire > 0 {
		r.Expiry = Expiry{At: k.First, Text: fmt.Sprintf("the first of %s goes by itself at %s, the last at %s", counted(k.Expire, "key"), pg.FormatTime(k.First), pg.FormatTime(k.Last))}
	}
	return r
}

// readEngine asks an engine for its containers and volumes, in which backups are looked for too.
func (f *Facts) readEngine(ctx context.Context, s *Sources) error {
	var err error
	if f.Containers, err = s.Engine.Containers(ctx); err == nil {
		f.Volumes, err = s.Engine.Volumes(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.Gaps = append(f.Gaps, evidence.Gap{Where: s.EngineAt, What: "the containers and volumes", Why: err.Error(), Consequence: "logs of containers and clusters in volumes are not known"})
	}
	return nil
}

// inVolume finds the volume that a path lies in; nil: none.
func (f *Facts) inVolume(path string) *containers.Volume {
	for i := range f.Volumes {
		if v := &f.Volumes[i]; v.Path != "" && (path == v.Path || strings.HasPrefix(path, v.Path+string(filepath.Separator))) {
			return v
		}
	}
	return nil
}

// nameVolumes says of what was found in volumes which volume that is, and who uses it.
func (f *Facts) nameVolumes() {
	for i := range f.Backups {
		b := &f.Backups[i]
		v := f.inVolume(b.Path)
		if v == nil {
			continue
		}
		text := "volume " + v.Name + ", which no container uses"
		if users := f.usersOf(v.Name); len(users) > 0 {
			text = "volume " + v.Name + " of container " + few(users)
		}
		b.Label = strings.Trim(text+"; "+b.Label, "; ")
	}
}

// usersOf are the containers that mount a volume.
func (f *Facts) usersOf(volume string) (names []string) {
	for i := range f.Containers {
		c := &f.Containers[i]
		if slices.ContainsFunc(c.Mounts, func(m containers.Mount) bool { return m.Volume == volume }) {
			names = append(names, c.Name)
		}
	}
	return names
}

// ofPostgres reports whether a container runs a server of PostgreSQL, by its image or by where its volume is.
func ofPostgres(c *containers.Container) bool {
	image := regexp.MustCompile(`(?i)postg(res|is)|pgvector|timescale`)
	return image.MatchString(c.Image) || c.DataDir != "" || slices.ContainsFunc(c.Mounts, func(m containers.Mount) bool { return strings.HasPrefix(m.Destination, "/var/lib/postgresql") })
}

// mounts tells where containers of PostgreSQL keep their data: a nameless or new volume is how a cluster gets lost from sight.
func (w *weigher) mounts(h *Hypothesis) {
	nameless := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for i := range w.Containers {
		c := &w.Containers[i]
		if !ofPostgres(c) || len(h.For) >= 2*mostPoints {
			continue
		}
		at := slices.IndexFunc(c.Mounts, func(m containers.Mount) bool {
			return strings.Contains(m.Destination, "postgres") || c.DataDir != "" && strings.HasPrefix(c.DataDir, m.Destination)
		})
		switch {
		case at < 0:
			h.support("containers", "container %s keeps its data in no volume: it goes with the container", c.Name)
		case nameless.MatchString(c.Mounts[at].Volume):
			h.support("containers", "container %s keeps its data in a volume without a name, %s: another container gets another one", c.Name, c.Mounts[at].Volume[:12])
		case c.Mounts[at].Volume != "":
			text := "container " + c.Name + " keeps its data in volume " + c.Mounts[at].Volume
			if v := w.volume(c.Mounts[at].Volume); v != nil && !v.Created.IsZero() {
				text += ", made at " + pg.FormatTime(v.Created)
			}
			h.support("containers", "%s", text)
		}
	}
	for i := range w.Backups {
		if v := w.inVolume(w.Backups[i].Path); v != nil && w.Backups[i].Kind == backups.DataDir && len(w.usersOf(v.Name)) == 0 {
			h.support("containers", "volume %s, which no container uses, holds a data directory of the cluster %d", v.Name, w.Backups[i].SystemIdentifier)
		}
	}
}

func (f *Facts) volume(name string) *containers.Volume {
	at := slices.IndexFunc(f.Volumes, func(v containers.Volume) bool { return v.Name == name })
	if at < 0 {
		return nil
	}
	return &f.Volumes[at]
}

// containerLogs says of the logs of PostgreSQL's containers, or of all where none is, until when they stay; "": there is none.
func (f *Facts) containerLogs() string {
	var parts []string
	for _, wanted := range []bool{true, false} {
		for i := range f.Containers {
			if c := &f.Containers[i]; ofPostgres(c) == wanted && len(parts) < mostPoints {
				parts = append(parts, "the log of container "+c.Name+" "+logEnd(c))
			}
		}
	}
	return strings.Join(parts, "; ")
}

// logEnd says until when the log of a container stays.
func logEnd(c *containers.Container) string {
	goes := "goes with it"
	if c.AutoRemove {
		goes = "goes as soon as it stops (--rm)"
	}
	size, files := c.Log.Options["max-size"], c.Log.Options["max-file"]
	switch c.Log.Driver {
	case "none":
		return "is kept nowhere"
	case "json-file":
		if size != "" {
			if files == "" {
				files = "1"
			}
			return fmt.Sprintf("%s, and keeps %s files of %s", goes, files, size)
		}
		return goes + ", and grows without bound"
	case "local":
		if size == "" {
			size, files = "20m", "5"
		}
		return fmt.Sprintf("%s, and keeps %s files of %s", goes, files, size)
	}
	return "is kept by " + c.Log.Driver
}
