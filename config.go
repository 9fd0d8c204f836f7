package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"onhand/ledger"
)

// commandLine is all that can be asked of the program. Each flag is also an
// environment variable: --http is ONHAND_HTTP.
type commandLine struct {
	Demo    demoConfig    `cmd:"" help:"A simulated retailer, an embedded broker and the service, to look at."`
	Serve   serveConfig   `cmd:"" help:"The service."`
	Verify  verifyConfig  `cmd:"" help:"Check every invariant of a data directory, offline."`
	Rebuild rebuildConfig `cmd:"" help:"Make a new data directory from the journal of another, offline, and prove them equal."`
	Replay  replayConfig  `cmd:"" help:"Read the source topics again from a moment into a data directory, offline: what is there already is not applied twice."`
	Import  importConfig  `cmd:"" help:"Send a file of events, counts, snapshots or master data to a service."`

	DeadLetters lettersConfig `cmd:"" name:"dead-letters" help:"What a service could not apply: list it, try it again."`
}

// listenConfig is where the service is reached and who may reach it.
type listenConfig struct {
	HTTP   string   `name:"http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the HTTP API (${default}); port 0 takes a free one."`
	APIKey []string `placeholder:"KEY" help:"Let in only who sends one of these as a bearer token. Without any, the service listens on loopback only."`
}

// limitsConfig bounds what the service takes at once. Beyond a bound it answers 503
// or 413, and from Kafka it waits.
type limitsConfig struct {
	QueueBytes   int           `default:"33554432" help:"Journal bytes that may wait for the disk (${default}); beyond it HTTP answers 503 and Kafka waits."`
	BodyBytes    int           `default:"16777216" help:"The longest request body (${default})."`
	Connections  int           `default:"12000" help:"HTTP connections at once (${default})."`
	Subscribers  int           `default:"1000" help:"Readers of /v1/feed at once (${default})."`
	ReadTimeout  time.Duration `default:"10s" help:"For a whole request to arrive (${default})."`
	WriteTimeout time.Duration `default:"30s" help:"For a whole answer to leave (${default})."`
	CommitWithin time.Duration `default:"5s" help:"No change is taken while the disk is at one commit for longer (${default})."`
	FreeDisk     uint64        `default:"268435456" help:"No change is taken with less free disk, in bytes (${default})."`
}

// storeConfig is how the ledger keeps what it knows.
type storeConfig struct {
	Catalog          string        `enum:"strict,open" default:"strict" help:"What happens to codes that master data does not know: strict refuses them, open adds them on sight (${default})."`
	Durability       string        `enum:"sync,async" default:"sync" help:"When a change is answered: sync once the disk has it, async once the operating system has it (${default})."`
	MaxSkew          time.Duration `default:"5m" help:"How far ahead of our clock an event's time may lie (${default})."`
	EventRetention   time.Duration `default:"1080h" help:"How old an event may be, and how long its name is remembered (${default})."`
	JournalRetention time.Duration `default:"1080h" help:"How long the journal is kept, at least 192h (${default})."`
	CheckpointEvery  time.Duration `default:"30s" help:"Between checkpoints: what a restart need not replay (${default})."`
	InspectEvery     time.Duration `default:"1h" help:"How long after one inspection of journal, pages and reservations the next begins; it reads 8 MiB/s (${default})."`
	CacheBytes       int64         `default:"134217728" help:"The store's block cache (${default})."`
	AccuracyUnits    float64       `default:"0" help:"By how many units a figure may differ from its count and still be called accurate (${default})."`
	AccuracyPercent  float64       `default:"1" help:"By what part of the count, in percent, it may (${default})."`
	StaleAfter       time.Duration `default:"15m" help:"After how long without news a location's figures are called stale (${default})."`
}

// kafkaConfig is where events come from and go to.
type kafkaConfig struct {
	Kafka             []string `placeholder:"HOST:PORT" help:"Kafka brokers. Without any, the embedded broker is used, kept in the data directory."`
	KafkaListen       string   `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address of the embedded broker (${default})."`
	Partitions        int      `default:"4" help:"Partitions of topics that the service has to make (${default})."`
	TopicsIn          []string `default:"pos.events,wms.events,erp.events,order.events" help:"Topics that are read (${default})."`
	Sources           string   `type:"existingfile" placeholder:"FILE" help:"JSON that says which sources send something else than CloudEvents, on which topics, and how they speak."`
	TopicAvailability string   `default:"onhand.availability" help:"Topic of each position's latest state (${default})."`
	TopicFreshness    string   `default:"onhand.freshness" help:"Topic of signals for replenishment (${default})."`
	PublishRate       int      `default:"50000" help:"Positions a second whose changes are published at most while more than 1,000 changes a second come in (${default}). Beyond it the outgoing topics lag, and changes of one position become one message."`
	TopicExceptions   string   `default:"onhand.exceptions" help:"Topic of what wants a person's eye, and of what became of it (${default})."`
	TopicReservations string   `default:"onhand.reservations" help:"Topic of each change of a reservation, and of what came of orders (${default})."`
	TopicDeadLetters  string   `default:"onhand.dead-letters" help:"Topic of records that could not be applied (${default})."`
}

// serviceConfig is what both serve and demo need.
type serviceConfig struct {
	listenConfig
	kafkaConfig
	storeConfig
	limitsConfig
	Pprof    string `placeholder:"HOST:PORT" help:"Answer Go's profiler there, on loopback only."`
	LogLevel string `enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error (${default})."`
}

type serveConfig struct {
	Data string `required:"" type:"path" placeholder:"DIR" help:"The data directory; made if it is not there."`
	serviceConfig
}

type demoConfig struct {
	Data   string  `default:"onhand-data" type:"path" placeholder:"DIR" help:"The data directory (${default}); what is in it goes on from where it was."`
	Stores int     `default:"300" help:"Stores (${default})."`
	SKUs   int     `name:"skus" default:"20000" help:"SKUs (${default})."`
	Rate   float64 `default:"2000" help:"Events a second, as the mean of a day (${default})."`
	Seed   uint64  `default:"1" help:"Of the retailer's catalogue and sales (${default})."`
	serviceConfig
}

type verifyConfig struct {
	Data string `required:"" type:"existingdir" placeholder:"DIR" help:"The data directory; no process may have it open."`
}

// importConfig is a file, and how it speaks where the service cannot tell.
type importConfig struct {
	File string `arg:"" type:"existingfile" help:"The file, also compressed by gzip."`
	caller
	Source   string            `placeholder:"NAME" help:"The source of the file's events, also one that the service's --sources knows; default import."`
	Format   string            `placeholder:"NAME" help:"cloudevents, csv, d365, edifact, epcis, idoc, poslog, shopify, square or x12; default what the file looks like."`
	Type     string            `placeholder:"TYPE" help:"CSV: the type of its events; default erp.snapshot."`
	Column   map[string]string `placeholder:"MEMBER=COLUMN" help:"CSV: the column of a member (sku=ArticleNo), may be repeated."`
	Comma    string            `placeholder:"CHARACTER" help:"CSV: what parts its columns; default what the header looks like."`
	Basis    string            `enum:",physical,net_of_committed" default:"" placeholder:"BASIS" help:"CSV: what its figures are, physical or net_of_committed."`
	Complete bool              `help:"CSV: what a location's rows do not list is 0."`
	Location string            `placeholder:"CODE" help:"The location, where the file names none."`
	TimeZone string            `placeholder:"ZONE" help:"Of times without an offset; default UTC."`
	Void     string            `enum:",flag,offset" default:"" placeholder:"HOW" help:"POSLog: how lines are taken back, flag or offset."`
	Strict   bool              `help:"EDI: wrong counts and control numbers refuse the interchange."`
	Time     time.Time         `placeholder:"TIME" help:"What the file is of, where it says no time; default when it was last changed."`
	Report   string            `type:"path" placeholder:"FILE" help:"Where refused rows go, as CSV; default beside the file, as FILE.refused.csv."`
}

type replayConfig struct {
	Data string    `required:"" type:"existingdir" placeholder:"DIR" help:"The data directory; no process may have it open."`
	From time.Time `required:"" placeholder:"TIME" help:"The moment, in the brokers' time of records, RFC 3339."`
	kafkaConfig
	storeConfig
}

type rebuildConfig struct {
	Data string `required:"" type:"existingdir" placeholder:"DIR" help:"The data directory that is read; no process may have it open."`
	Into string `required:"" type:"path" placeholder:"DIR" help:"The new one, which may not be there yet."`
}

// Validate reports every complaint at once.
func (c *serviceConfig) Validate() error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	host, _, err := net.SplitHostPort(c.HTTP)
	switch {
	case err != nil:
		complain("--http %q: want HOST:PORT", c.HTTP)
	case len(c.APIKey) == 0 && !isLoopback(host):
		complain("--http %s: without --api-key the service listens on loopback only, or anyone could change its stock", c.HTTP)
	}
	if slices.Contains(c.APIKey, "") {
		complain("--api-key: an empty key lets everyone in")
	}
	if len(c.Kafka) == 0 {
		if host, _, err := net.SplitHostPort(c.KafkaListen); err != nil || !isLoopback(host) {
			complain("--kafka-listen %q: the embedded broker has no credentials, so it listens on loopback only", c.KafkaListen)
		}
	}
	if c.Pprof != "" {
		if host, _, err := net.SplitHostPort(c.Pprof); err != nil || !isLoopback(host) {
			complain("--pprof %q: the profiler has no credentials, so it listens on loopback only", c.Pprof)
		}
	}
	for _, positive := range []struct {
		flag string
		ok   bool
	}{{"--partitions", c.Partitions > 0}, {"--publish-rate", c.PublishRate > 0}, {"--queue-bytes", c.QueueBytes > 0}, {"--body-bytes", c.BodyBytes > 0},
		{"--connections", c.Connections > 0}, {"--subscribers", c.Subscribers > 0}, {"--read-timeout", c.ReadTimeout > 0}, {"--write-timeout", c.WriteTimeout > 0},
		{"--commit-within", c.CommitWithin > 0}, {"--max-skew", c.MaxSkew > 0}, {"--event-retention", c.EventRetention > 0}, {"--checkpoint-every", c.CheckpointEvery > 0},
		{"--inspect-every", c.InspectEvery > 0}, {"--cache-bytes", c.CacheBytes > 0}, {"--stale-after", c.StaleAfter > 0}} {
		if !positive.ok {
			complain("%s: must be greater than 0", positive.flag)
		}
	}
	if !(c.AccuracyUnits >= 0 && c.AccuracyUnits <= 1e9) {
		complain("--accuracy-units %v: want 0 to 1,000,000,000", c.AccuracyUnits)
	}
	if !(c.AccuracyPercent >= 0 && c.AccuracyPercent <= 100) {
		complain("--accuracy-percent %v: want 0 to 100", c.AccuracyPercent)
	}
	if c.JournalRetention < 192*time.Hour {
		complain("--journal-retention %v: repeated calls are answered from it for 8 days, so at least 192h", c.JournalRetention)
	}
	return errors.Join(errs...)
}

// Validate reports every complaint at once.
func (c *demoConfig) Validate() error {
	if c.Stores < 1 || c.Stores > 10_000 || c.SKUs < 1 || c.SKUs > 1_000_000 || c.Rate <= 0 || c.Rate > 1_000_000 {
		return errors.Join(c.serviceConfig.Validate(),
			fmt.Errorf("--stores %d --skus %d --rate %g: want 1–10,000 stores, 1–1,000,000 SKUs and up to 1,000,000 events/s", c.Stores, c.SKUs, c.Rate))
	}
	return c.serviceConfig.Validate()
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (c *storeConfig) ledgerOptions(dir string) ledger.Options {
	return ledger.Options{
		Dir:                  dir,
		OpenCatalogue:        c.Catalog == "open",
		AsyncSync:            c.Durability == "async",
		AccuracyUnits:        c.AccuracyUnits,
		AccuracyPercent:      c.AccuracyPercent,
		MaxSkewMillis:        ledger.Millis(c.MaxSkew.Milliseconds()),
		EventRetentionMillis: ledger.Millis(c.EventRetention.Milliseconds()),
		JournalKeepMillis:    ledger.Millis(c.JournalRetention.Milliseconds()),
		CheckpointEvery:      c.CheckpointEvery,
		CacheBytes:           c.CacheBytes,
		InspectEvery:         c.InspectEvery,
	}
}

// ledgerOptions are those of the store, and what it may take at once.
func (c *serviceConfig) ledgerOptions(dir string) ledger.Options {
	o := c.storeConfig.ledgerOptions(dir)
	o.QueueBytesMax, o.FreeBytesMin, o.CommitWithin = c.QueueBytes, c.FreeDisk, c.CommitWithin
	return o
}
