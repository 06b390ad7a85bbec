-- An offered milestone says its currency beside its amount, as every other amount does.
UPDATE gigs.applications application
SET offer = jsonb_build_object('milestones', (
    SELECT jsonb_agg(
        (milestone - 'amount_minor') || jsonb_build_object(
            'amount', jsonb_build_object('amount_minor', milestone -> 'amount_minor', 'currency', gig.currency))
        ORDER BY place)
    FROM jsonb_array_elements(application.offer -> 'milestones') WITH ORDINALITY AS each (milestone, place)))
FROM gigs.gigs gig
WHERE gig.id = application.gig_id AND application.offer -> 'milestones' -> 0 ? 'amount_minor';
