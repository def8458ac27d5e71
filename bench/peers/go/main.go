// PORT BACKENDPORT,... [CERTFILE KEYFILE]: the reverse proxy of Go's library, to the backend with the fewest
// requests in flight.
package main

import (
	"crypto/tls"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return *b.pool.Get().(*[]byte) }
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

type backend struct {
	inFlight int64
	proxy    *httputil.ReverseProxy
}

func main() {
	pool := &buffers{sync.Pool{New: func() any { p := make([]byte, 32*1024); return &p }}}
	transport := &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 4096, DisableCompression: true}
	var backends []*backend
	for _, port := range strings.Split(os.Args[2], ",") {
		target, err := url.Parse("http://127.0.0.1:" + port)
		if err != nil {
			log.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		direct := proxy.Director
		proxy.Director = func(request *http.Request) {
			request.Header.Set("X-Forwarded-Host", request.Host)
			request.Header.Set("X-Forwarded-Proto", "http")
			direct(request)
		}
		proxy.Transport = transport
		proxy.BufferPool = pool
		backends = append(backends, &backend{proxy: proxy})
	}

	var turn uint64
	handler := http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		start := int(atomic.AddUint64(&turn, 1) % uint64(len(backends)))
		best := backends[start]
		for i := 1; i < len(backends); i++ {
			other := backends[(start+i)%len(backends)]
			if atomic.LoadInt64(&other.inFlight) < atomic.LoadInt64(&best.inFlight) {
				best = other
			}
		}
		atomic.AddInt64(&best.inFlight, 1)
		defer atomic.AddInt64(&best.inFlight, -1)
		best.proxy.ServeHTTP(response, request)
	})

	server := &http.Server{Addr: "127.0.0.1:" + os.Args[1], Handler: handler, TLSConfig: &tls.Config{}}
	if len(os.Args) > 3 {
		log.Fatal(server.ListenAndServeTLS(os.Args[3], os.Args[4]))
	}
	log.Fatal(server.ListenAndServe())
}
