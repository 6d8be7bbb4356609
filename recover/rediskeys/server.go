package rediskeys

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The kinds of failures.
var (
	// ErrAddress: the address is none of Redis.
	ErrAddress = errors.New("no address of Redis")
	// ErrUnreachable: nobody answers there.
	ErrUnreachable = errors.New("nobody answers")
	// ErrDenied: the server wants a password, or another one, or the user may not ask for it.
	ErrDenied = errors.New("permission denied")
)

const (
	dialTimeout = 5 * time.Second
	readTimeout = 15 * time.Second
	// page is how many keys one SCAN is asked for: enough to be quick, and no answer takes the server long.
	page = 500
)

// Server is one database of a Redis server.
type Server struct {
	client  *redis.Client
	address string
}

// Open connects to redis://[user:password@]host[:port][/database], rediss:// or unix://path, and looks whether it answers.
func Open(ctx context.Context, address string) (*Server, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		var where *url.Error
		if errors.As(err, &where) { // its text has the password
			err = where.Err
		}
		return nil, evidence.OfKind(ErrAddress, fmt.Errorf("rediskeys: read the address: %s", withoutUser(err.Error(), address)))
	}
	options.ClientName, options.DisableIdentity = "pgrescue", true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.PoolSize, options.MaxRetries = 1, -1
	options.DialTimeout, options.ReadTimeout = dialTimeout, readTimeout
	s := &Server{client: redis.NewClient(options), address: fmt.Sprintf("%s/%d", options.Addr, options.DB)}
	if err := s.client.Ping(ctx).Err(); err != nil {
		s.Close()
		return nil, s.failed("connect", err)
	}
	return s, nil
}

// withoutUser takes an address out of a text, for it may have a password.
func withoutUser(text, address string) string {
	return strings.ReplaceAll(text, address, "the address")
}

// Close ends the connection.
func (s *Server) Close() { s.client.Close() }

// Address is where the server is, without a user or a password.
func (s *Server) Address() string { return s.address }

// failed says what failed, and of which kind that is.
func (s *Server) failed(op string, err error) error {
	told := fmt.Errorf("rediskeys: %s at %s: %w", op, s.address, err)
	var unreachable *net.OpError
	switch text := err.Error(); {
	case strings.HasPrefix(text, "NOAUTH"), strings.HasPrefix(text, "WRONGPASS"), strings.HasPrefix(text, "NOPERM"), strings.Contains(text, "invalid username-password"):
		return evidence.OfKind(ErrDenied, told)
	case errors.As(err, &unreachable) && unreachable.Op == "dial":
		return evidence.OfKind(ErrUnreachable, told)
	}
	return told
}

// Key is one key.
type Key struct {
	Name string `json:"key"`
	Type string `json:"type"` // string, hash, list, …
	// TTL is how long it stays, from when it was asked; less than zero: until somebody removes it.
	TTL time.Duration `json:"-"`
	// Bytes is about how much it takes; -1: the server does not tell.
	Bytes int64 `json:"bytes"`
}

// Expires reports whether Redis removes it by itself.
func (k *Key) Expires() bool { return k.TTL >= 0 }

// Keys gives each key whose name fits a pattern of KEYS, such as flow:*, once and in no order. One that goes
// meanwhile is left out, and one that comes meanwhile may be.
func (s *Server) Keys(ctx context.Context, pattern string, each func(Key) error) error {
	seen := make(map[string]bool) // SCAN may name a key twice
	for cursor := uint64(0); ; {
		names, next, err := s.client.Scan(ctx, cursor, pattern, page).Result()
		if err != nil {
			return s.failed("list keys", err)
		}
		fresh := names[:0]
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				fresh = append(fresh, name)
			}
		}
		if err := s.describe(ctx, fresh, each); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// describe asks for the types, the TTL and the sizes of keys at once.
func (s *Server) describe(ctx context.Context, names []string, each func(Key) error) error {
	if len(names) == 0 {
		return nil
	}
	types, ttls, sizes := make([]*redis.StatusCmd, len(names)), make([]*redis.DurationCmd, len(names)), make([]*redis.IntCmd, len(names))
	pipe := s.client.Pipeline()
	for i, name := range names {
		types[i], ttls[i], sizes[i] = pipe.Type(ctx, name), pipe.PTTL(ctx, name), pipe.MemoryUsage(ctx, name)
	}
	if _, err := pipe.Exec(ctx); err != nil && ctx.Err() != nil {
		return s.failed("describe keys", err)
	}
	for i, name := range names {
		kind, err := types[i].Result()
		if err != nil {
			return s.failed("ask for the type of a key", err)
		}
		left, err := ttls[i].Result()
		if err != nil {
			return s.failed("ask how long a key stays", err)
		}
		if kind == "none" || left == -2 { // it went
			continue
		}
		key := Key{Name: name, Type: kind, TTL: left, Bytes: -1}
		if size, err := sizes[i].Result(); err == nil { // a role without it still has the rest
			key.Bytes = size
		}
		if err := each(key); err != nil {
			return err
		}
	}
	return nil
}

// Dump gives the value of a key as DUMP serialises it; ok is false when it is gone.
func (s *Server) Dump(ctx context.Context, name string) (value []byte, ok bool, err error) {
	text, err := s.client.Dump(ctx, name).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, false, nil
	case err != nil:
		return nil, false, s.failed("dump a key", err)
	}
	return []byte(text), true, nil
}

// Text gives the text of a key of the type string, up to a length; ok is false when it is gone.
func (s *Server) Text(ctx context.Context, name string, most int64) (text []byte, ok bool, err error) {
	value, err := s.client.GetRange(ctx, name, 0, most-1).Result()
	if err != nil {
		return nil, false, s.failed("read a key", err)
	}
	return []byte(value), value != "", nil
}
