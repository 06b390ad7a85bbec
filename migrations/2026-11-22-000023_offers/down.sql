UPDATE gigs.applications application
SET offer = jsonb_build_object('milestones', (
    SELECT jsonb_agg(
        (milestone - 'amount') || jsonb_build_object('amount_minor', milestone -> 'amount' -> 'amount_minor')
        ORDER BY place)
    FROM jsonb_array_elements(application.offer -> 'milestones') WITH ORDINALITY AS each (milestone, place)))
WHERE application.offer -> 'milestones' -> 0 ? 'amount';
