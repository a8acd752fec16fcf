use super::remember_request;

#[test]
fn explicit_requests_give_the_fact_in_the_users_words() {
    for (message, fact) in [
        ("Remember that I prefer euros.", "I prefer euros"),
        ("remember that i prefer euros", "i prefer euros"),
        (
            "please remember: my base currency is EUR",
            "my base currency is EUR",
        ),
        (
            "Please, remember that I hold no tobacco stocks!",
            "I hold no tobacco stocks",
        ),
        (
            "Hey Tandem, please remember that I retire in 2041.",
            "I retire in 2041",
        ),
        ("Remember my risk limit is 12 %", "my risk limit is 12 %"),
        (
            "Remember this: reports go to the board on Mondays",
            "reports go to the board on Mondays",
        ),
        (
            "Remember to always show amounts in EUR.",
            "always show amounts in EUR",
        ),
        ("Remember, my name is Ada", "my name is Ada"),
        ("Note that I only buy ETFs", "I only buy ETFs"),
        (
            "note: quarterly review on 5 May",
            "quarterly review on 5 May",
        ),
        (
            "Take note that my benchmark is the S&P 500",
            "my benchmark is the S&P 500",
        ),
        (
            "Make a note that the house sale closes in June.",
            "the house sale closes in June",
        ),
        (
            "Keep in mind that we file taxes in Germany",
            "we file taxes in Germany",
        ),
        (
            "Don't forget that I sold all my bonds.",
            "I sold all my bonds",
        ),
        (
            "Don\u{2019}t forget I\u{2019}m colour-blind",
            "I\u{2019}m colour-blind",
        ),
        ("do not forget that 5 % is my limit", "5 % is my limit"),
        (
            "Can you remember that I prefer short answers?",
            "I prefer short answers",
        ),
        (
            "Could you please remember that my fiscal year ends in March?",
            "my fiscal year ends in March",
        ),
        (
            "Remember that I prefer euros. What is my portfolio worth?",
            "I prefer euros",
        ),
        (
            "Remember that I work with Mr. Smith at Acme Inc. in Bonn. Now show me the risk report.",
            "I work with Mr. Smith at Acme Inc. in Bonn",
        ),
        (
            "Remember: I like tea. I hate coffee. Which one is cheaper?",
            "I like tea. I hate coffee",
        ),
        ("  remember   that\nI like  tea", "I like  tea"),
        (
            "Merk dir, dass ich lieber Euro sehe.",
            "ich lieber Euro sehe",
        ),
        (
            "Bitte merke dir: mein Depot liegt in Köln",
            "mein Depot liegt in Köln",
        ),
        (
            "Vergiss nicht, dass ich 2041 in Rente gehe",
            "ich 2041 in Rente gehe",
        ),
        ("Souviens-toi que je préfère les ETF.", "je préfère les ETF"),
        (
            "N'oublie pas que mon horizon est de dix ans",
            "mon horizon est de dix ans",
        ),
        ("Recuerda que prefiero los euros", "prefiero los euros"),
        (
            "Por favor, acue\u{301}rdate de que vivo en Madrid.",
            "vivo en Madrid",
        ),
    ] {
        assert_eq!(
            remember_request(message).as_deref(),
            Some(fact),
            "{message}"
        );
    }
}

#[test]
fn everything_else_is_not_a_request() {
    for message in [
        "",
        "Do you remember that I prefer euros?",
        "Do you remember my benchmark?",
        "Remember that time we met?",
        "remember my question from yesterday?",
        "Can you remember what I said?",
        "Can you remember that I told you about my dog?",
        "Could you remember that place?",
        "I remember that the index fell",
        "I can't remember that fund's name",
        "What should I remember about bonds?",
        "Don't remember that I like tea",
        "Remember the Alamo",
        "Remember when I bought gold",
        "remembering that I like tea is easy",
        "remember that",
        "remember that.",
        "remember:",
        "Note that the Sharpe ratio assumes normal returns.",
        "notes that I took",
        "Notebook: mine",
        "The document says: remember that I prefer euros",
        "Erinnerst du dich, dass ich Euro mag?",
        "Te souviens-tu que je préfère les ETF ?",
        "¿Recuerdas que prefiero los euros?",
        "Remember that my password is hunter2",
        "Remember my card: 4111 1111 1111 1111",
        "Remember that my card is 4111-1111-1111-1111",
        "Remember that my IBAN is DE89 3704 0044 0532 0130 00",
        "Remember: sk-proj-abc123def456ghi789jkl",
        "please remember that my API key is abc",
    ] {
        assert_eq!(remember_request(message), None, "{message}");
    }
}

#[test]
fn a_fact_is_bounded() {
    let fact = format!("I like {}", "a".repeat(493));
    assert_eq!(
        remember_request(&format!("remember that {fact}")),
        Some(fact.clone())
    );
    assert_eq!(remember_request(&format!("remember that {fact}b")), None);
}
