package preserve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/rediskeys/redistest"
)

// TestRedisKeysComeBack restores keys from what was kept of them.
func TestRedisKeysComeBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	address, err := url.Parse(server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", address.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := redisClient{t, conn, bufio.NewReader(conn)}
	for key, value := range map[string]string{"flow:1": `{"state": "done"}`, "odd \xff\n": "bytes \x00"} {
		client.say("SET", key, value, "EX", "3600")
	}
	folder := t.TempDir()
	done, err := Capture(t.Context(), Options{Folder: folder, Redis: server.URL("")}, &Memory{path: filepath.Join(folder, MemoryName)})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, toRedis, "keys.jsonl"))
	if err != nil || refused(done.Missing) {
		t.Fatal(err, done.Missing)
	}
	client.say("FLUSHALL")
	for line := range bytes.Lines(text) {
		var key redisKey
		if err := json.Unmarshal(line, &key); err != nil {
			t.Fatal(err)
		}
		if key.TTL <= 0 || key.TTL > time.Hour.Milliseconds() {
			t.Errorf("%q stays for %d ms", key.Name, key.TTL)
		}
		client.say("RESTORE", string(key.Name), "0", string(key.Dump))
	}
	if got := client.say("GET", "odd \xff\n"); got != "bytes \x00" {
		t.Errorf("the odd key is %q", got)
	}
}

// redisClient says commands to a Redis server.
type redisClient struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (c redisClient) say(words ...string) string {
	c.t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c.conn, text.String()); err != nil {
		c.t.Fatal(err)
	}
	line, err := c.in.ReadString('\n')
	if err != nil || strings.HasPrefix(line, "-") {
		c.t.Fatalf("%s: %q, %v", words[0], line, err)
	}
	size := 0
	if n, err := fmt.Sscanf(line, "$%d", &size); n == 0 || err != nil {
		return line
	}
	value := make([]byte, size+2)
	if _, err := io.ReadFull(c.in, value); err != nil {
		c.t.Fatal(err)
	}
	return string(value[:size])
}

func refused(missing []Missing) bool {
	for _, m := range missing {
		if !m.Expected {
			return true
		}
	}
	return false
}
