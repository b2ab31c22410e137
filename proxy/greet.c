/* The beginning on a TLS listener: a handshake, then requests as on any other. */
#include "conn.h"

enum step greet_client(struct conn *c)
{
	switch (tls_handshake(c->side[CLIENT].tls)) {
	case TLS_DONE:
		endpoint_want(c, CLIENT, LOOP_READ);
		c->side[CLIENT].ready |= LOOP_READ; /* a request may have come with it */
		return conn_move(c, STATE_HEAD);
	case TLS_READ:
		endpoint_want(c, CLIENT, LOOP_READ);
		return STEP_WAIT;
	case TLS_WRITE:
		endpoint_want(c, CLIENT, LOOP_WRITE);
		return STEP_WAIT;
	case TLS_FAILED:
		break;
	}
	return conn_leave(c, END_CLIENT_BROKE);
}

enum step greet_late(struct conn *c)
{
	return conn_leave(c, END_STALLED);
}
