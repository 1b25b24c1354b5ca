/* The recogniser's events as messages. */
#ifndef EDGE_SPEECH_H
#define EDGE_SPEECH_H

#include "session.h"

edge_listener_t edge_session_listener(edge_session_t *session);

#endif
