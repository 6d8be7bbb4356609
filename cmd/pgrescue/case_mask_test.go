package main

import "testing"

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ arg, want string }{
		{"host=db user=me", "host=db user=me"},
		{"host=db password=hush user=me", "host=db password=*** user=me"},
		{"password = 'two \\' words' user=me", "password = *** user=me"},
		{"password=a\\ b user=me", "password=*** user=me"},
		{"user=me password='never ended", "user=me password=***"},
		{"PASSWORD=Hush sslpassword=hush", "PASSWORD=*** sslpassword=***"},
		{"--dsn=host=db password=hush&x", "--dsn=host=db password=***"},
		{"password=a://b host=x", "password=*** host=x"},
		{"PGPASSWORD=hush", "PGPASSWORD=***"},
		{"postgres://me:hush@db:5432/shop?sslmode=require", "postgres://me:***@db:5432/shop?sslmode=require"},
		{"postgresql://me:hu:s/h@x@a,b/shop", "postgresql://me:***@a,b/shop"},
		{"postgres://:hush@/shop", "postgres://:***@/shop"},
		{"postgres://me@db/shop?password=hu%20sh&sslmode=require", "postgres://me@db/shop?password=***&sslmode=require"},
		{"postgres://db/shop?user=me&sslpassword=hush", "postgres://db/shop?user=me&sslpassword=***"},
		{"--dsn=postgres://me:hush@db", "--dsn=postgres://me:***@db"},
		{"postgres://me@db/shop", "postgres://me@db/shop"},
		{"postgres://db:5432/shop", "postgres://db:5432/shop"},
		{"2026-11-23 14:00Z", "2026-11-23 14:00Z"},
		{"public.password_resets", "public.password_resets"},
	} {
		if got := maskSecrets([]string{"--dsn", test.arg}); got[1] != test.want {
			t.Errorf("%s: got %s, want %s", test.arg, got[1], test.want)
		}
	}
	if got := maskSecrets([]string{"--sslpassword", "hush", "x"}); got[1] != masked || got[2] != "x" {
		t.Errorf("a flag's own value: %q", got)
	}
}
