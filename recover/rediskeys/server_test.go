package rediskeys_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgrescue/pgrescue/recover/rediskeys"
	"github.com/pgrescue/pgrescue/recover/rediskeys/redistest"
)

// writer is a client that may write, as the application does.
func writer(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

// TestKeys: keys of several types, more than one SCAN gives, are listed each once, with how long they stay. Nothing is changed by looking.
func TestKeys(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL("")
	w, ctx := writer(t, url), t.Context()
	for i := range 1700 {
		w.Set(ctx, fmt.Sprintf("flow:state:%d", i), `{"raw_data": []}`, time.Hour)
	}
	w.Set(ctx, "flow:odd \x00\xff\n", "x", 0)
	w.HSet(ctx, "flow:exists:1", "a", "b")
	w.RPush(ctx, "queue", "job")
	w.Set(ctx, "other", strings.Repeat("x", 5000), 0)
	before := w.Info(ctx, "keyspace").Val()

	s, err := rediskeys.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys := make(map[string]rediskeys.Key)
	if err := s.Keys(ctx, "flow:*", func(k rediskeys.Key) error {
		if _, twice := keys[k.Name]; twice {
			t.Errorf("%s is there twice", k.Name)
		}
		keys[k.Name] = k
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	state, odd, hash := keys["flow:state:7"], keys["flow:odd \x00\xff\n"], keys["flow:exists:1"]
	if len(keys) != 1702 || !state.Expires() || state.TTL > time.Hour || state.TTL < 50*time.Minute || odd.Expires() || odd.Type != "string" || hash.Type != "hash" || state.Bytes <= 0 {
		t.Errorf("%d keys, %+v, %+v, %+v", len(keys), state, odd, hash)
	}
	problem := errors.New("enough")
	if err := s.Keys(ctx, "*", func(rediskeys.Key) error { return problem }); !errors.Is(err, problem) {
		t.Errorf("%v", err)
	}
	if text, ok, err := s.Text(ctx, "other", 10); string(text) != "xxxxxxxxxx" || !ok || err != nil {
		t.Errorf("%q %v %v", text, ok, err)
	}
	if _, _, err := s.Text(ctx, "queue", 10); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("a list has no text: %v", err)
	}
	if after := w.Info(ctx, "keyspace").Val(); strings.Split(after, "avg_ttl")[0] != strings.Split(before, "avg_ttl")[0] {
		t.Errorf("%s, before %s", after, before)
	}
}

// TestDumpsCanBeRestored: what is dumped is what RESTORE takes, whatever the type.
func TestDumpsCanBeRestored(t *testing.T) {
	t.Parallel()
	url, other := redistest.Start(t).URL(""), writer(t, redistest.Start(t).URL(""))
	w, ctx := writer(t, url), t.Context()
	w.ZAdd(ctx, "ranks", redis.Z{Score: 1.5, Member: "a"}, redis.Z{Score: 2, Member: "b"})
	s, err := rediskeys.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	value, ok, err := s.Dump(ctx, "ranks")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := other.Restore(ctx, "ranks", 0, string(value)).Err(); err != nil {
		t.Fatal(err)
	}
	if got := other.ZRangeWithScores(ctx, "ranks", 0, -1).Val(); len(got) != 2 || got[0].Score != 1.5 {
		t.Errorf("%+v", got)
	}
	if _, ok, err := s.Dump(ctx, "nothing"); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
}

// TestRefusals: wrong addresses, nobody there, no password and too few rights, none of which shows a password.
func TestRefusals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "geheim")
	admin := writer(t, server.URL(":geheim@"))
	if err := admin.Do(t.Context(), "ACL", "SETUSER", "guest", "on", ">geheimnis", "~flow:*", "+ping", "+client", "+hello", "+select", "+scan").Err(); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]error{
		"http://:geheim@host": rediskeys.ErrAddress, "redis://:geheim@host:port": rediskeys.ErrAddress, "": rediskeys.ErrAddress, "redis://:geheim@host/x": rediskeys.ErrAddress,
		"redis://:geheim@127.0.0.1:1": rediskeys.ErrUnreachable, "unix:///nowhere/geheim": rediskeys.ErrUnreachable,
		server.URL(""): rediskeys.ErrDenied, server.URL(":falsch@"): rediskeys.ErrDenied,
	} {
		_, err := rediskeys.Open(t.Context(), address)
		if !errors.Is(err, want) || strings.Contains(err.Error(), ":geheim") || strings.Contains(err.Error(), "falsch") {
			t.Errorf("%q: %v, want %v", address, err, want)
		}
	}
	s, err := rediskeys.Open(t.Context(), server.URL("guest:geheimnis@"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	admin.Set(t.Context(), "flow:1", "x", 0)
	if err := s.Keys(t.Context(), "*", func(rediskeys.Key) error { return nil }); !errors.Is(err, rediskeys.ErrDenied) {
		t.Errorf("%v", err)
	}
}
