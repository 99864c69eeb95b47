#include "tls/path.h"

#include "tls/certificate_names.h"
#include "tls/engine.h"

/* A way that is being tried. */
struct walk {
	struct path *path;
	const struct certificate *steps[CHAIN_MAX]; /* the server's own first */
	size_t next[CHAIN_MAX];                     /* of each: which issuer to try next */
	size_t top;                                 /* the last step */
	unsigned cost;                              /* of signatures up to now */
	bool proved;   /* the obstacle is a CA of the file that did sign */
	bool blocked;  /* there is an obstacle */
	size_t height; /* the step above which it is */
	unsigned rank; /* among those of the same height, see note() */
};

/* ---- the rules ---- */

static bool is_supported(enum certificate_algorithm algorithm)
{
	return algorithm == CERTIFICATE_RSA || algorithm == CERTIFICATE_EC;
}

/* What is wrong with a certificate by itself; false: nothing. */
static bool is_faulty(const struct certificate *one, time_t now, enum path_fault *fault)
{
	if (!is_supported(one->key))
		*fault = PATH_KEY;
	else if (one->key == CERTIFICATE_RSA && one->modulus.len < PATH_RSA_LEAST)
		*fault = PATH_WEAK;
	else if (!certificate_valid_at(one, now))
		*fault = PATH_DATES;
	else if (!one->for_server)
		*fault = PATH_PURPOSE;
	else if (one->unknown.at)
		*fault = PATH_EXTENSION;
	else
		return false;
	return true;
}

/* CAs on the way up to now that are issued by another: only these count for a limit of depth. */
static size_t depth_of(const struct walk *walk)
{
	size_t depth = 0;

	for (size_t i = 1; i <= walk->top; i++)
		if (!certificate_same_name(walk->steps[i]->issuer, walk->steps[i]->subject))
			depth++;
	return depth;
}

/* What is wrong with a certificate as the issuer of the last step; false: nothing. */
static bool is_unfit(const struct walk *walk, const struct certificate *issuer,
                     enum path_origin origin, enum path_fault *fault)
{
	if (!is_supported(issuer->key))
		*fault = PATH_KEY;
	/* One that is too old to say that it is a CA is believed where the user says it. */
	else if (!issuer->is_ca && !(issuer->is_old_root && origin == PATH_FILE))
		*fault = PATH_NOT_CA;
	else if (!issuer->signs_certificates)
		*fault = PATH_KEY_USAGE;
	else if (issuer->constrained)
		*fault = PATH_CONSTRAINED;
	else if (depth_of(walk) > issuer->depth_max)
		*fault = PATH_DEPTH;
	else
		return is_faulty(issuer, walk->path->now, fault);
	return true;
}

/* ---- what is in the way ---- */

static unsigned rank_of(enum path_fault fault, enum path_origin origin)
{
	if (fault == PATH_NO_ISSUER)
		return 0;
	if (fault == PATH_NOT_SIGNER)
		return origin == PATH_FILE ? 3 : 1;
	/* About the step itself, or an issuer that was sent; or of the file. */
	return origin == PATH_FILE ? 4 : 2;
}

/* Notes an obstacle above the last step, unless a better one is known. */
static void note(struct walk *walk, enum path_fault fault, const struct certificate *of,
                 enum path_origin origin, bool proved)
{
	unsigned rank = rank_of(fault, origin);

	if (walk->blocked &&
	    (walk->proved > proved ||
	     (walk->proved == proved &&
	      (walk->height > walk->top || (walk->height == walk->top && walk->rank >= rank)))))
		return;
	walk->blocked = true;
	walk->proved = proved;
	walk->height = walk->top;
	walk->rank = rank;
	walk->path->obstacle = (struct path_obstacle){ fault, of, origin, .others = walk->top > 0 };
}

/* ---- the way ---- */

static enum path_origin origin_of(const struct walk *walk)
{
	return walk->top > 0 ? PATH_SENT : PATH_SERVER;
}

/* Copies too: they lead where the first did. */
static bool is_on_the_way(const struct walk *walk, const struct certificate *one)
{
	for (size_t i = 0; i <= walk->top; i++)
		if (certificate_same(walk->steps[i]->whole, one->whole))
			return true;
	return false;
}

/* The next that has the name of the last step's issuer, those of the file first; NULL: there is no
 * more. */
static const struct certificate *next_issuer(struct walk *walk, enum path_origin *origin)
{
	const struct path *path = walk->path;
	const struct certificate *step = walk->steps[walk->top];

	while (walk->next[walk->top] < path->anchor_count + path->chain->count) {
		size_t which = walk->next[walk->top]++;
		const struct certificate *one;

		*origin = which < path->anchor_count ? PATH_FILE : PATH_SENT;
		one = *origin == PATH_FILE ? &path->anchors[which]
		                           : &path->chain->certificates[which - path->anchor_count];
		if (certificate_same_name(step->issuer, one->subject) && !is_on_the_way(walk, one))
			return one;
	}
	return NULL;
}

/* Whether a key may have made a signature of that kind, as far as kinds tell. */
static bool may_have_signed(enum certificate_algorithm key, enum certificate_algorithm signature)
{
	if (signature == CERTIFICATE_RSA)
		return key == CERTIFICATE_RSA || key == CERTIFICATE_RSA_LONG;
	return key == CERTIFICATE_EC || key == CERTIFICATE_EC_OTHER;
}

/* Of a signature with that key. */
static unsigned cost_of(const struct certificate *issuer)
{
	return issuer->curve == CERTIFICATE_P521 ? 3 : issuer->curve == CERTIFICATE_P384 ? 2 : 1;
}

/* Whether `issuer` has issued the last step, and may do so. */
static bool vouches(struct walk *walk, const struct certificate *issuer, enum path_origin origin)
{
	const struct certificate *step = walk->steps[walk->top];
	enum path_fault fault = PATH_NO_ISSUER;
	bool unfit = is_unfit(walk, issuer, origin, &fault);

	if (!may_have_signed(issuer->key, step->signature)) {
		note(walk, PATH_NOT_SIGNER, issuer, origin, false);
		return false;
	}
	/* Whether it did sign is of interest where the user chose it: the file may hold several of
	 * that name. With a key that is not supported nobody can tell. */
	if (unfit && (origin == PATH_SENT || fault == PATH_KEY)) {
		note(walk, fault, issuer, origin, false);
		return false;
	}
	walk->cost += cost_of(issuer);
	if (!tls_engine_signature_holds(step, issuer)) {
		note(walk, PATH_NOT_SIGNER, issuer, origin, false);
		return false;
	}
	if (unfit)
		note(walk, fault, issuer, origin, true);
	return !unfit;
}

/* Whether a way is found, or known not to be there. */
static bool climb(struct walk *walk, bool *found)
{
	const struct certificate *step = walk->steps[walk->top], *issuer = NULL;
	enum path_origin origin = PATH_FILE;

	*found = false;
	if (is_supported(step->signature))
		issuer = next_issuer(walk, &origin);
	else
		note(walk, PATH_SIGNATURE, step, origin_of(walk), false);
	if (!issuer) {
		note(walk, PATH_NO_ISSUER, step, origin_of(walk), false);
		if (walk->top == 0)
			return true;
		walk->top--;
		return false;
	}
	if (walk->cost + cost_of(issuer) > PATH_COST_MAX) {
		note(walk, PATH_TOO_MANY, step, origin_of(walk), true);
		return true;
	}
	if (!vouches(walk, issuer, origin))
		return false;
	*found = origin == PATH_FILE;
	if (!*found) {
		/* Each is on the way once, so there is room. */
		walk->steps[++walk->top] = issuer;
		walk->next[walk->top] = 0;
	}
	return *found;
}

bool path_find(struct path *path)
{
	const struct certificate *leaf = chain_leaf(path->chain);
	struct walk walk = { .path = path, .steps = { leaf } };
	enum path_fault fault = PATH_KEY_USAGE;
	bool found;

	if (is_faulty(leaf, path->now, &fault) || !leaf->signs_handshakes) {
		note(&walk, fault, leaf, PATH_SERVER, false);
		return false;
	}
	if (path->trusted)
		return true;
	while (!climb(&walk, &found))
		;
	if (!found)
		path->obstacle.self_signed = certificate_same_name(leaf->issuer, leaf->subject) &&
		                             tls_engine_signature_holds(leaf, leaf);
	return found;
}
