package ingest

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"onhand/ledger"
)

// A broker that took a letter and says nothing any more must not hold up the end.
func TestSilentBrokerDelaysNoEnd(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "onhand.dead-letters"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	asked := make(chan struct{}, 100)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked <- struct{}{}
		return nil, nil, true // handled, and not answered
	})
	s := openShop(t, ledger.Options{FS: vfs.NewMem()})
	s.must(&ledger.DeadLetter{ReceivedAt: noon, Code: "invalid-event"})
	stop := publish(t, s, cluster.ListenAddrs()[0])
	<-asked
	start := time.Now()
	stop()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}
