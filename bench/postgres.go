package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// PostgreSQL as a team would build reservations on it: a row for each position, changed
// only if enough is left, and one for each reservation, in one prepared statement and so
// one transaction and one round trip. synchronous_commit is on, as it comes; memory
// and the log are given enough that no checkpoint falls into a measurement.

const postgresSchema = `
create table position (sku text, location text, on_hand int not null, unsellable int not null default 0, held int not null default 0,
  committed int not null default 0, safety int not null default 0, primary key (sku, location)) with (fillfactor = 60);
create table reservation (id text primary key, state text not null, sku text not null, location text not null,
  quantity int not null, expires_at timestamptz not null) with (fillfactor = 70);
create index on reservation (expires_at) where state = 'held';`

const (
	reserveStatement = `
with p as (update position set held = held + $4 where sku = $2 and location = $3
    and on_hand - unsellable - held - committed - safety >= $4 returning sku)
insert into reservation select $1, 'held', $2, $3, $4, now() + make_interval(secs => $5) from p`
	confirmStatement = `
with r as (update reservation set state = 'confirmed' where id = $1 and state = 'held' and expires_at > now() returning sku, location, quantity)
update position p set held = held - r.quantity, committed = committed + r.quantity from r where p.sku = r.sku and p.location = r.location`
	cancelStatement = `
with r as (update reservation set state = 'cancelled' where id = $1 and state = 'held' and expires_at > now() returning sku, location, quantity)
update position p set held = held - r.quantity from r where p.sku = r.sku and p.location = r.location`
	readStatement = `
select on_hand - unsellable - held - committed - safety from position where sku = $1 and location = $2`
)

// postgresTypes are the parameter types of the statements: text is 25, int4 23, float8 701.
var postgresStatements = []postgresStatement{
	{"reserve", reserveStatement, []uint32{25, 25, 25, 23, 701}},
	{"confirm", confirmStatement, []uint32{25}},
	{"cancel", cancelStatement, []uint32{25}},
	{"read", readStatement, []uint32{25, 25}},
}

type postgresStatement struct {
	name, text string
	types      []uint32
}

type postgresServer struct {
	*service
	version string
}

func (b *bed) startPostgres(ctx context.Context, r *report) (*postgresServer, error) {
	const where = "/usr/lib/postgresql/*/bin/"
	program, err := findProgram(ctx, r, "postgresql", "postgres", where+"postgres")
	if err != nil {
		return nil, err
	}
	initdb, err := findProgram(ctx, r, "postgresql", "initdb", where+"initdb")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := b.subdir("postgres")
	if err != nil {
		return nil, err
	}
	as, err := postgresUser(b.dir, dir)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	data := filepath.Join(dir, "data")
	initialise := exec.CommandContext(ctx, initdb, "-D", data, "-U", "bench", "--auth", "trust", "--no-locale", "-E", "UTF8")
	initialise.SysProcAttr, initialise.Dir = as, dir
	if out, err := initialise.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	args := []string{"-D", data, "-p", strconv.Itoa(port), "-k", dir}
	for _, setting := range []string{"listen_addresses=127.0.0.1", "synchronous_commit=on", "fsync=on", "max_connections=300", "shared_buffers=2GB",
		"max_wal_size=16GB", "min_wal_size=4GB", "checkpoint_timeout=1h", "wal_buffers=64MB", "logging_collector=off"} {
		args = append(args, "-c", setting)
	}
	c, _, err := startChildAs(program, args, filepath.Join(b.dir, "postgres.log"), as)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	c.end, c.group = syscall.SIGINT, true // with SIGTERM it waits for its clients
	b.onClose(c.stop)
	s := &postgresServer{service: &service{addr: fmt.Sprintf("127.0.0.1:%d", port), child: c}, version: versionOf(program)}
	err = poll(ctx, startTimeout, pollEvery, func() error {
		return s.withConn(func(c *postgresConn) error { return c.query(postgresSchema, nil) })
	})
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w\n%s", err, c.tail())
	}
	return s, nil
}

// load copies the positions in.
func (s *postgresServer) load(v *reserveScenario) error {
	return s.withConn(func(c *postgresConn) error {
		err := c.copyIn("copy position (sku, location, on_hand) from stdin", len(v.stock), func(out []byte, p int) []byte {
			sku, location := v.name(int32(p))
			return fmt.Appendf(out, "%s\t%s\t%d\n", sku, location, v.stock[p])
		})
		return errors.Join(err, c.query("vacuum analyze position", nil), c.query("checkpoint", nil))
	})
}

// check compares every position and reservation with the client's books.
func (s *postgresServer) check(v *reserveScenario) error {
	wrong := &differences{}
	held, committed := v.sums()
	states := make(map[string]string, len(v.bookings))
	for _, b := range v.bookings {
		states[b.id] = b.state
	}
	positions := 0
	err := s.withConn(func(c *postgresConn) error {
		err := c.query("select sku, location, on_hand, held, committed from position", func(f []string) {
			positions++
			p := v.itemOf[f[0]]*v.Stores + v.placeOf[f[1]]
			if want := fmt.Sprintf("%d %d %d", v.stock[p], held[p], committed[p]); f[2]+" "+f[3]+" "+f[4] != want {
				wrong.add(fmt.Sprintf("%v, must be %s", f, want))
			}
		})
		return errors.Join(err, c.query("select id, state from reservation", func(f []string) {
			if states[f[0]] != f[1] {
				wrong.add(fmt.Sprintf("%s is %s, must be %q", f[0], f[1], states[f[0]]))
			}
			delete(states, f[0])
		}))
	})
	if err == nil && (positions != len(v.stock) || len(states) > 0) {
		err = fmt.Errorf("%d of %d positions, and %d reservations are missing", positions, len(v.stock), len(states))
	}
	return errors.Join(err, wrong.err())
}
