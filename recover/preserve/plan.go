package preserve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// ErrNoRoom tells that the copies would not fit.
var ErrNoRoom = errors.New("there is not enough room")

// Planned is one step of a plan.
type Planned struct {
	Name  string `json:"name"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"` // in the case's folder evidence
	Files int    `json:"files,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	Todo  int64  `json:"bytes_to_copy,omitempty"` // of Bytes, what no earlier capture copied
	Does  string `json:"does,omitempty"`          // of a step that copies nothing
}

// Room is what the copies need, and what there is.
type Room struct {
	Needed   int64 `json:"needed"`
	Free     int64 `json:"free"`                // -1: nobody knows
	OnlyHurt int64 `json:"only_hurt,omitempty"` // what would be needed with the hurt tables alone
	Enough   bool  `json:"enough"`
	SameDisk bool  `json:"same_disk,omitempty"` // as the data directory
}

// Plan is what a capture would do, in its order.
type Plan struct {
	Evidence string     `json:"evidence,omitempty"` // the folder that is filled; "": no case is named
	DataDir  string     `json:"data_directory,omitempty"`
	OverSQL  bool       `json:"over_sql,omitempty"` // the server reads its files
	Server   *live.Card `json:"server,omitempty"`
	Freeze   []string   `json:"freeze"`
	Steps    []Planned  `json:"steps"`
	Room     Room       `json:"room"`
	Notes    []string   `json:"notes,omitempty"`
	Missing  []Missing  `json:"missing"`
}

// jobs are the sets of files of a capture, in its order.
type jobs struct {
	first, hurt, data, lock, last *copyJob
	logs, sources                 []*copyJob
}

func (j *jobs) all() (list []*copyJob) {
	for _, one := range []*copyJob{j.first, j.lock, j.hurt, j.data} {
		if one != nil {
			list = append(list, one)
		}
	}
	list = append(append(list, j.logs...), j.sources...)
	if j.last != nil {
		list = append(list, j.last)
	}
	return list
}

// Prepare makes a plan, and changes nothing.
func Prepare(ctx context.Context, options Options) (*Plan, error) {
	w, err := begin(ctx, options)
	if err != nil {
		return nil, err
	}
	defer w.close()
	all, err := w.jobs(ctx)
	if err != nil {
		return nil, err
	}
	return w.plan(ctx, all)
}

// jobs lists what is to be copied.
func (w *work) jobs(ctx context.Context) (*jobs, error) {
	all := new(jobs)
	logs, err := w.findLogs(ctx)
	if err != nil {
		return nil, err
	}
	if w.data.tree != nil {
		if all.first, err = w.walJob(ctx, "pg_wal, first", toFirst); err != nil {
			return nil, err
		}
		if all.last, err = w.walJob(ctx, "pg_wal, last", toLast); err != nil {
			return nil, err
		}
		if err := w.dataJobs(ctx, all, logs); err != nil {
			return nil, err
		}
	}
	job, err := w.logJob(ctx, logs)
	if err != nil {
		return nil, err
	}
	if job != nil {
		all.logs = append(all.logs, job)
	}
	more, err := w.outsideJobs(ctx, "log", w.Logs, toLogs, evidence.KindLog)
	if err != nil {
		return nil, err
	}
	all.logs = append(all.logs, more...)
	all.sources, err = w.outsideJobs(ctx, "source", w.Sources, toSources, evidence.KindSource)
	return all, err
}

// dataJobs lists what is copied of the data directory between the two copies of pg_wal.
func (w *work) dataJobs(ctx context.Context, all *jobs, logs serverLogs) (err error) {
	if len(w.hurt) > 0 {
		if all.hurt, err = w.hurtJob(ctx); err != nil {
			return err
		}
	}
	logFolder := ""
	if logs.inside {
		logFolder = logs.folder
	}
	if all.data, err = w.dataJob(ctx, w.OnlyHurt, logFolder); err != nil {
		return err
	}
	all.lock = w.lockJob(ctx)
	return nil
}

// lockJob is the server's lock file, which says since when it runs; nil: there is none.
func (w *work) lockJob(ctx context.Context) *copyJob {
	const name = "postmaster.pid"
	entries, err := w.data.list(ctx, "")
	if err != nil {
		return nil // said where the data directory is listed
	}
	for _, e := range entries {
		if e.name == name && !e.folder {
			return &copyJob{
				name: "the server's lock file", from: w.data, to: toServer, items: []item{{path: name, size: e.size, modified: e.modified}}, fresh: true,
				kind: func(string) evidence.Kind { return KindState },
			}
		}
	}
	return nil
}

func (w *work) plan(ctx context.Context, all *jobs) (*Plan, error) {
	p := &Plan{Evidence: w.Folder, DataDir: w.DataDir, OverSQL: w.overSQL, Freeze: []string{}, Steps: []Planned{}}
	if w.Server != nil {
		p.Server = w.Server.Card
	}
	if err := w.planFreeze(ctx, p); err != nil {
		return nil, err
	}
	if w.read != nil {
		p.Steps = append(p.Steps, Planned{Name: "state of the server that is gone in seconds", From: w.Server.Card.Place(), To: toServer, Does: namesOf(volatileViews())})
	}
	if len(p.Freeze) > 0 {
		p.Steps = append(p.Steps, Planned{Name: "freeze", Does: "as above"})
	}
	p.Steps = append(p.Steps, w.planBeside()...)
	for _, j := range all.all() {
		if w.read != nil && j == all.hurt || w.read != nil && all.hurt == nil && j == all.data {
			p.Steps = append(p.Steps, w.planSlow())
		}
		p.Steps = append(p.Steps, w.planned(j))
	}
	if w.data.tree == nil && w.read != nil {
		p.Steps = append(p.Steps, w.planSlow())
	}
	if w.data.tree != nil {
		p.Steps = append(p.Steps, Planned{Name: "catalogs", To: toServer, Does: "catalog.json, of the copy"})
	}
	w.roomFor(ctx, p, all)
	p.Missing = w.missing
	if p.Missing == nil {
		p.Missing = []Missing{}
	}
	return p, nil
}

// planBeside lists what lies beside the database.
func (w *work) planBeside() (steps []Planned) {
	if w.Redis != "" {
		steps = append(steps, Planned{Name: "keys of Redis", To: toRedis, Does: "keys.jsonl, with type, time to live and DUMP"})
	}
	if len(w.Containers) > 0 {
		steps = append(steps, Planned{Name: "containers and their logs", To: toContainers, Does: strings.Join(w.Containers, ", ")})
	}
	return steps
}

func (w *work) planSlow() Planned {
	return Planned{Name: "statistics, settings and catalogs of the server", From: w.Server.Card.Place(), To: toServer, Does: namesOf(slowViews())}
}

func namesOf(views []view) string {
	text := ""
	for i, v := range views {
		if i > 0 {
			text += ", "
		}
		text += v.name
	}
	return text
}

func (w *work) planned(j *copyJob) Planned {
	p := Planned{Name: j.name, From: j.from.name, To: j.to, Todo: w.todo(j)}
	for _, it := range j.items {
		if !it.folder {
			p.Files++
			p.Bytes += it.size
		}
	}
	return p
}

// margin is what stays free beside the copies: the server, or what runs next, wants to write too.
func margin(needed int64) int64 { return 64<<20 + needed/20 }

// roomFor compares what is to be copied with what is free. Files of the hurt tables are copied once.
func (w *work) roomFor(ctx context.Context, p *Plan, all *jobs) {
	needed := int64(0)
	for _, j := range all.all() {
		if j != all.hurt {
			needed += w.todo(j)
		}
	}
	p.Room = Room{Needed: needed, Free: -1, Enough: true}
	if w.Folder == "" {
		return
	}
	free, err := w.Free(w.Folder)
	if err != nil {
		w.expects("the room where the case lies", err.Error())
		return
	}
	p.Room.Free = free
	p.Room.Enough = needed == 0 || needed+margin(needed) <= free
	p.Room.SameDisk = w.DataDir != "" && sameDevice(w.Folder, w.DataDir)
	if p.Room.SameDisk {
		p.Notes = append(p.Notes, "the case lies on the disk of the data directory: what is copied is not on another disk, and takes room from the server")
	}
	if p.Room.Enough || w.OnlyHurt || len(w.hurt) == 0 {
		return
	}
	if small, err := w.dataJob(ctx, true, ""); err == nil {
		p.Room.OnlyHurt = needed - w.todo(all.data) + w.todo(small)
	}
}

// sameDevice reports whether two folders, of which the first need not be there yet, are on one file system.
func sameDevice(folder, other string) bool {
	info, err := os.Stat(folder)
	for errors.Is(err, os.ErrNotExist) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		info, err = os.Stat(folder)
	}
	second, err2 := os.Stat(other)
	if err != nil || err2 != nil {
		return false
	}
	a, ok := info.Sys().(*syscall.Stat_t)
	b, ok2 := second.Sys().(*syscall.Stat_t)
	return ok && ok2 && a.Dev == b.Dev
}

// planFreeze says what would be frozen.
func (w *work) planFreeze(ctx context.Context, p *Plan) error {
	switch {
	case w.NoFreeze:
		p.Notes = append(p.Notes, "nothing is frozen, as --no-freeze asks")
		return nil
	case w.Server == nil:
		w.expects("freeze", w.noServer())
		return nil
	case w.Server.Card.InRecovery:
		w.lacks("freeze of tables", onStandby)
	default:
		w.planAutovacuum(p)
	}
	return w.planSlot(ctx, p)
}

// planSlot says whether WAL would be held.
func (w *work) planSlot(ctx context.Context, p *Plan) error {
	replication, err := w.read.Value(ctx, "ask for the role at", "SELECT (rolsuper OR rolreplication)::text FROM pg_catalog.pg_roles WHERE rolname = current_user")
	if err != nil {
		return err
	}
	if replication != "true" {
		w.lacks("slot that holds the WAL", "the role "+w.Server.Card.Role+" has no REPLICATION")
		return nil
	}
	guard, why, err := w.slotRule(ctx, w.read)
	if err != nil {
		return err
	}
	if why != "" {
		w.lacks("slot that holds the WAL", why)
		return nil
	}
	line := fmt.Sprintf("slot %s holds the WAL from the last checkpoint on", w.Slot)
	if guard > 0 {
		line += fmt.Sprintf(", with %s = %d MB as a guard", guardSetting, guard>>20)
	}
	p.Freeze = append(p.Freeze, line)
	return nil
}

func (w *work) planAutovacuum(p *Plan) {
	if len(w.hurt) == 0 || len(w.gone) > 0 {
		why := "no table is named that was hurt"
		if len(w.gone) > 0 {
			why = "no database has " + w.gone[0] + " any more, and what it was stands in the catalogs"
		}
		if w.Server.Card.Superuser {
			p.Freeze = append(p.Freeze, "autovacuum = off for the whole server, by ALTER SYSTEM: "+why)
		} else {
			w.lacks("autovacuum = off for the whole server", w.noSuperuser()+"; name the hurt tables with --table")
		}
	}
	for i := range w.hurt {
		t := &w.hurt[i]
		switch {
		case !t.takesOptions():
		case !t.owned:
			w.lacks("freeze of "+t.name, "the role "+w.Server.Card.Role+" does not own it")
		default:
			p.Freeze = append(p.Freeze, "autovacuum off for "+t.name+" of "+t.database+andToast(t))
		}
	}
}

func andToast(t *hurtTable) string {
	if t.toast != 0 {
		return " and its TOAST table"
	}
	return ""
}
