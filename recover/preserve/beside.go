package preserve

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/containers"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/rediskeys"
)

// The folders of what lies beside the database.
const (
	toContainers = "containers"
	toRedis      = "redis"
)

// KindBeside is what lies beside the database, in a Redis server.
const KindBeside evidence.Kind = "keys of Redis"

// redisKey is a key as it is kept: DUMP is what RESTORE takes.
type redisKey struct {
	rediskeys.Key
	Name []byte `json:"name"` // the bytes of the key
	TTL  int64  `json:"ttl_ms"`
	Dump []byte `json:"dump,omitempty"`
}

// redisStep keeps the keys of a Redis server, which it removes by itself when their time is over.
func (c *copier) redisStep(ctx context.Context, done *Captured) error {
	if c.Redis == "" {
		return nil
	}
	step := &Copied{Name: "keys of Redis", To: toRedis}
	server, err := rediskeys.Open(ctx, c.Redis)
	if err == nil {
		defer server.Close()
		path := c.freeName(filepath.Join(c.Folder, toRedis), "keys", ".jsonl")
		err = c.write(path, KindBeside, server.Address(), step, func(out io.Writer) error { return writeKeys(ctx, server, out) })
	}
	return c.beside(ctx, done, step, "keys of Redis", err)
}

func writeKeys(ctx context.Context, server *rediskeys.Server, out io.Writer) error {
	lines := json.NewEncoder(out)
	return server.Keys(ctx, "*", func(key rediskeys.Key) error {
		kept := redisKey{Key: key, Name: []byte(key.Name), TTL: -1}
		if key.Expires() {
			kept.TTL = key.TTL.Milliseconds()
		}
		value, there, err := server.Dump(ctx, key.Name)
		if err != nil || !there {
			return err
		}
		kept.Dump = value
		return ours(lines.Encode(kept))
	})
}

// containerStep keeps the logs of containers, which go with them, and how they were made.
func (c *copier) containerStep(ctx context.Context, done *Captured) error {
	if len(c.Containers) == 0 {
		return nil
	}
	step := &Copied{Name: "containers and their logs", To: toContainers}
	socket, ok := containers.SocketOf(c.DockerHost)
	if !ok {
		c.lacks("logs of containers", "DOCKER_HOST names no socket of this machine")
		return nil
	}
	engine := containers.At(socket)
	defer engine.Close()
	for _, name := range c.Containers {
		err := c.container(ctx, engine, name, step)
		if err != nil {
			if lost(ctx, err) || isOurs(err) {
				return err
			}
			c.lacks("container "+name, err.Error())
		}
	}
	return done.add(step, nil)
}

func (c *copier) container(ctx context.Context, engine *containers.Engine, name string, step *Copied) error {
	found, err := engine.Container(ctx, name)
	if err != nil {
		return err
	}
	base := filepath.Base(found.Name)
	folder, from := filepath.Join(c.Folder, toContainers), engine.Socket()+": "+found.Name
	err = c.write(c.freeName(folder, base, ".json"), KindState, from, step, func(out io.Writer) error { return ours(json.NewEncoder(out).Encode(found)) })
	if err != nil {
		return err
	}
	return c.write(c.freeName(folder, base, ".log"), evidence.KindLog, from, step, func(out io.Writer) error {
		return engine.WriteLog(ctx, found, time.Time{}, out)
	})
}

// beside notes how a step ended that the rest does not depend on.
func (c *copier) beside(ctx context.Context, done *Captured, step *Copied, what string, err error) error {
	if err != nil {
		if lost(ctx, err) || isOurs(err) {
			return err
		}
		c.lacks(what, err.Error())
	}
	return done.add(step, nil)
}
