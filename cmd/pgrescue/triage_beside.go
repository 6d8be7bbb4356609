package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/containers"
	"github.com/pgrescue/pgrescue/recover/rediskeys"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// backupsVariable names the folders that are looked into for backups when no flag does.
const backupsVariable = "PGRESCUE_BACKUPS"

// mostUnasked bounds how many files are looked at where nobody said that there are backups.
const mostUnasked = 5000

// defaultBackups are the folders where backups often lie, as far as they are there; nil: none is.
func (r *triageRun) defaultBackups() *backups.Options {
	folders := []string{"/backups", "/var/backups", "/tmp"}
	if text, set := os.LookupEnv(backupsVariable); set {
		folders = filepath.SplitList(text)
	}
	var there []string
	for _, folder := range folders {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			there = append(there, folder)
		}
	}
	if len(there) == 0 {
		return nil
	}
	r.terminal.Infof("looking for backups in %s, where they often lie; --backups names other places", strings.Join(there, ", "))
	return &backups.Options{Paths: there, MostFiles: mostUnasked, Unasked: true}
}

// engine is the Docker engine to ask; nil: none is there, or nobody is to be asked.
func (r *triageRun) engine() *containers.Engine {
	host := r.options.docker
	if host == "none" {
		return nil
	}
	if host == "" {
		host = os.Getenv("DOCKER_HOST")
	}
	socket, ok := containers.SocketOf(host)
	if !ok {
		r.terminal.Infof("the Docker engine at %s is not on this machine, and is not asked", host)
		return nil
	}
	if _, err := os.Stat(socket); err != nil && r.options.docker == "" {
		return nil
	}
	return containers.At(socket)
}

// readRedis lists the keys of the application.
func (r *triageRun) readRedis(ctx context.Context, facts *triage.Facts) error {
	o := r.options
	if !o.redisGiven {
		return nil
	}
	address := o.redis
	if address == "" {
		address = os.Getenv("REDIS_URL")
	}
	err := func() error {
		server, err := rediskeys.Open(ctx, address)
		if err != nil {
			return err
		}
		defer server.Close()
		facts.Keys, err = triage.ReadKeys(ctx, server, server.Address(), o.keys, facts.Now)
		return err
	}()
	switch {
	case errors.Is(err, rediskeys.ErrAddress):
		err = exitcode.Usagef("such as redis://:password@host:6379/0, in $REDIS_URL", "triage: --redis: %w", err)
	case err != nil:
		err = exitcode.With(exitcode.Permission, err)
	}
	return r.unread(ctx, "the keys of Redis", "--redis", err)
}
