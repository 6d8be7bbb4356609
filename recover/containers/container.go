package containers

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Container is one container, running or not.
type Container struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Image   string `json:"image"`
	State   string `json:"state"` // running, exited, …
	Running bool   `json:"running"`
	Project string `json:"project,omitempty"` // of Compose
	// Created, Started and Finished are when it was made, started and ended last; zero: never.
	Created  time.Time `json:"created,omitzero"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// AutoRemove: it is removed as soon as it stops, with its log and nameless volumes.
	AutoRemove bool    `json:"auto_remove,omitempty"`
	Mounts     []Mount `json:"mounts,omitempty"`
	// DataDir is PGDATA in its environment; "": not set.
	DataDir string `json:"pgdata,omitempty"`
	Log     Log    `json:"log"`
	tty     bool
}

// Mount is what a container sees at a path.
type Mount struct {
	Type        string `json:"type"` // volume, bind, tmpfs
	Volume      string `json:"volume,omitempty"`
	Source      string `json:"source,omitempty"` // on this machine
	Destination string `json:"destination"`
	Writable    bool   `json:"writable"`
}

// Log is how a container's log is kept.
type Log struct {
	Driver  string            `json:"driver"`
	Options map[string]string `json:"options,omitempty"` // those that bound it
	Path    string            `json:"path,omitempty"`
}

// Volume is a volume.
type Volume struct {
	Name    string    `json:"name"`
	Driver  string    `json:"driver"`
	Path    string    `json:"path"` // on this machine
	Project string    `json:"project,omitempty"`
	Created time.Time `json:"created,omitzero"`
}

// composeProject is the label by which Compose knows its own.
const composeProject = "com.docker.compose.project"

// Containers lists all containers, in the order of their names. One that goes meanwhile is left out.
func (e *Engine) Containers(ctx context.Context) ([]Container, error) {
	var list []struct {
		ID string `json:"Id"`
	}
	if err := e.ask(ctx, "list containers", "/containers/json", url.Values{"all": {"1"}}, &list); err != nil {
		return nil, err
	}
	found := make([]Container, 0, min(len(list), 1000))
	for _, listed := range list {
		c, err := e.Container(ctx, listed.ID)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, *c)
	}
	slices.SortFunc(found, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// inspected is what an engine says of a container, as far as it is read.
type inspected struct {
	ID      string `json:"Id"`
	Name    string
	Created time.Time
	State   struct {
		Status                string
		Running               bool
		StartedAt, FinishedAt time.Time
	}
	LogPath string
	Mounts  []struct {
		Type, Name, Source, Destination string
		RW                              bool
	}
	HostConfig struct {
		AutoRemove bool
		LogConfig  struct {
			Type   string
			Config map[string]string
		}
	}
	Config struct {
		Image  string
		TTY    bool `json:"Tty"`
		Env    []string
		Labels map[string]string
	}
}

// Container tells of one container, by its name or id.
func (e *Engine) Container(ctx context.Context, name string) (*Container, error) {
	var seen inspected
	if err := e.ask(ctx, "inspect container "+name, "/containers/"+url.PathEscape(name)+"/json", nil, &seen); err != nil {
		return nil, err
	}
	c := &Container{
		ID: seen.ID, Name: strings.TrimPrefix(seen.Name, "/"), Image: seen.Config.Image, State: seen.State.Status, Running: seen.State.Running,
		Project: seen.Config.Labels[composeProject], Created: known(seen.Created), Started: known(seen.State.StartedAt), Finished: known(seen.State.FinishedAt),
		AutoRemove: seen.HostConfig.AutoRemove, Log: Log{Driver: seen.HostConfig.LogConfig.Type, Path: seen.LogPath}, tty: seen.Config.TTY,
	}
	for _, option := range []string{"max-size", "max-file"} { // the others may hold the addresses and tokens of services
		if value, set := seen.HostConfig.LogConfig.Config[option]; set {
			if c.Log.Options == nil {
				c.Log.Options = make(map[string]string)
			}
			c.Log.Options[option] = value
		}
	}
	for _, mount := range seen.Mounts {
		c.Mounts = append(c.Mounts, Mount{Type: mount.Type, Volume: mount.Name, Source: mount.Source, Destination: mount.Destination, Writable: mount.RW})
	}
	for _, variable := range seen.Config.Env {
		if path, is := strings.CutPrefix(variable, "PGDATA="); is {
			c.DataDir = path
		}
	}
	return c, nil
}

// known is a time of an engine in UTC, which says the year 1 for never.
func known(t time.Time) time.Time {
	if t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}

// Volumes lists all volumes, in the order of their names.
func (e *Engine) Volumes(ctx context.Context) ([]Volume, error) {
	var answer struct {
		Volumes []struct {
			Name, Driver, Mountpoint string
			CreatedAt                time.Time
			Labels                   map[string]string
		}
	}
	if err := e.ask(ctx, "list volumes", "/volumes", nil, &answer); err != nil {
		return nil, err
	}
	var list []Volume
	for _, v := range answer.Volumes {
		list = append(list, Volume{Name: v.Name, Driver: v.Driver, Path: v.Mountpoint, Project: v.Labels[composeProject], Created: known(v.CreatedAt)})
	}
	slices.SortFunc(list, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}
