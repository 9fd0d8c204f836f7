package availability

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that took what was written and says nothing any more must not hold up the end.
func TestSilentBrokerDelaysNoClose(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "onhand.availability", "onhand.freshness"))
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
	s := newShop(t)
	p, err := StartPublisher(s.Stock, PublisherOptions{Brokers: cluster.ListenAddrs(), Window: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s.move("a", "l1", 5)
	<-asked
	start := time.Now()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}
