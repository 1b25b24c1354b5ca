/* What connects a recogniser to its end-pointers. */
#ifndef EDGE_ENDPOINTING_H
#define EDGE_ENDPOINTING_H

#include "edge/recogniser.h"

/* Read the image's ENDP section, which may lack. */
edge_status_t edge_endpointing_open(edge_recogniser_t *r, const edge_image_t *image);

/* The features hold a new frame: take its level. */
void edge_endpointing_level(edge_recogniser_t *r);

/* A joiner call has returned. */
void edge_endpointing_joined(edge_recogniser_t *r, const int8_t *logits);

/* The search has decoded a frame: tell what it means, and end or change the utterance. */
edge_status_t edge_endpointing_frame(edge_recogniser_t *r);

/* End the search's utterance and build its lattice. (recogniser.c) */
void edge_recogniser_conclude(edge_recogniser_t *r);

#endif
