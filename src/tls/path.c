#include "tls/path.h"

#include "tls/certificate_names.h"
#include "tls/engine.h"

/* The search for a path. It tries one path at a time, and backtracks. */
struct walk {
	struct path *path;
	const struct certificate *steps[CHAIN_MAX]; /* the path so far; the server's own first */
	size_t next[CHAIN_MAX];                     /* for each step: the next issuer to try */
	size_t top;                                 /* index of the last step */
	unsigned cost;                              /* cost of the signatures verified so far */
	bool proved;   /* the obstacle is a CA that did sign, or the limit of cost */
	bool blocked;  /* an obstacle is noted */
	size_t height; /* index of the step below the obstacle */
	unsigned rank; /* priority among obstacles of the same height, see rank_of() */
};

/* ---- the rules ---- */

static bool is_supported(enum certificate_algorithm algorithm)
{
	return algorithm == CERTIFICATE_RSA || algorithm == CERTIFICATE_EC;
}

/* Sets `*fault` to what is wrong with the certificate by itself. False: nothing. */
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

/* Counts the CAs on the path that another CA issued: self-issued ones do not count for a path
 * length (RFC 5280, section 4.2.1.9). */
static size_t depth_of(const struct walk *walk)
{
	size_t depth = 0;

	for (size_t i = 1; i <= walk->top; i++)
		if (!certificate_same_name(walk->steps[i]->issuer, walk->steps[i]->subject))
			depth++;
	return depth;
}

/* Sets `*fault` to what is wrong with a certificate as the issuer of the last step. False:
 * nothing. */
static bool is_unfit(const struct walk *walk, const struct certificate *issuer,
                     enum path_origin origin, enum path_fault *fault)
{
	if (!is_supported(issuer->key))
		*fault = PATH_KEY;
	/* A version 1 root cannot say that it is a CA. The user says it, by the CA file. */
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

/* ---- obstacles ---- */

static unsigned rank_of(enum path_fault fault, enum path_origin origin)
{
	if (fault == PATH_NO_ISSUER)
		return 0;
	if (fault == PATH_NOT_SIGNER)
		return origin == PATH_FILE ? 3 : 1;
	/* Concerns the step itself or an issuer that the server sent; 4: a CA of the file. */
	return origin == PATH_FILE ? 4 : 2;
}

/* Notes an obstacle above the last step, unless a more helpful one is known. */
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

/* ---- the search ---- */

static enum path_origin origin_of(const struct walk *walk)
{
	return walk->top > 0 ? PATH_SENT : PATH_SERVER;
}

/* Whether `one` or a copy of it is on the path already. */
static bool is_on_the_way(const struct walk *walk, const struct certificate *one)
{
	for (size_t i = 0; i <= walk->top; i++)
		if (certificate_same(walk->steps[i]->whole, one->whole))
			return true;
	return false;
}

/* Returns the next candidate whose name is that of the last step's issuer, those of the file first.
 * NULL: none is left. */
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

/* Whether a key of this algorithm can have made a signature of that algorithm. */
static bool may_have_signed(enum certificate_algorithm key, enum certificate_algorithm signature)
{
	if (signature == CERTIFICATE_RSA)
		return key == CERTIFICATE_RSA || key == CERTIFICATE_RSA_LONG;
	return key == CERTIFICATE_EC || key == CERTIFICATE_EC_OTHER;
}

/* The cost of verifying a signature by `issuer`; see PATH_COST_MAX. */
static unsigned cost_of(const struct certificate *issuer)
{
	return issuer->curve == CERTIFICATE_P521 ? 3 : issuer->curve == CERTIFICATE_P384 ? 2 : 1;
}

/* Whether `issuer` signed the last step, and was allowed to. Notes an obstacle if not. */
static bool vouches(struct walk *walk, const struct certificate *issuer, enum path_origin origin)
{
	const struct certificate *step = walk->steps[walk->top];
	enum path_fault fault = PATH_NO_ISSUER;
	bool unfit = is_unfit(walk, issuer, origin, &fault);

	if (!may_have_signed(issuer->key, step->signature)) {
		note(walk, PATH_NOT_SIGNER, issuer, origin, false);
		return false;
	}
	/* Verify the signature of an unfit CA only if it is from the file. The file may hold
	 * several of one name, and the user can act on the one that signed. An unsupported key
	 * cannot be verified. */
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

/* Takes one step, up or back. True: the search is over, and `*found` says whether it reached a CA
 * of the file. */
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
		/* There is room: no certificate is on the path twice. */
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
